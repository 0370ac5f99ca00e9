"""How many measurements does the cost model need? On the published devices, where all 1185 speeds are known.

    python benchmarks/cost_model.py [--quick]

``error``: n configs are measured, fairly over families and scales, the others predicted. ``frontier``: quality is
known of all (they are trained), speed of none; after a first sample the model is asked for the configs that could be
on a scale's frontier (``sweep cost --suggest 12 --frontier``), a dozen at a time, until the measured ones alone cover
99 % of the true frontier's hypervolume at every scale (log10 frames/s and PSNR on BSDS100, above the worst of each).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from statistics import median

import numpy as np
from _bench import published_fps
from _record import record
from threadpoolctl import threadpool_limits

from analysis.measures.hypervolume import hypervolume
from search_space import parse_id
from search_space.config import Config
from sweep.speed.cost_model import CostModel, accuracy, first_sample
from sweep.speed.next_to_measure import suggest_frontier

METRIC = "psnr:BSDS100"
FIRST, BATCH, TARGET = 24, 12, 0.99


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    published = published_fps()
    if not published:
        print("skipped: the published table is not here (EDGE_SWEEP_SHARED)")
        return
    seeds, start = range(2 if quick else 3), time.perf_counter()
    # The matrices are small: more threads only get in each other's way.
    threadpool_limits(1)
    errors, frontiers = [], []
    for device in ("AGX", "MaxQ", "RPI"):
        fps, quality = published[device], published[METRIC]
        for n in (24, 96) if quick else (12, 24, 48, 96, 192):
            errors.append({"device": device, "measured": n, **error(fps, n, seeds)})
            print(errors[-1], flush=True)
        guided = [needed(fps, quality, seed, guided=True) for seed in seeds]
        random = [needed(fps, quality, seed, guided=False) for seed in seeds]
        frontiers.append({"device": device, "measurements_needed": guided, "median": median(guided),
                          "at_random": random, "median_at_random": median(random)})  # fmt: skip
        print(frontiers[-1], flush=True)
    results = {
        "error": errors,
        "frontier": frontiers,
        "target_hypervolume": TARGET,
        "metric": METRIC,
        "configs": len(published["AGX"]),
        "seeds": len(seeds),
        "seconds": round(time.perf_counter() - start, 1),
    }
    if not quick:
        print(record("cost_model", results, ("scikit-learn", "numpy", "moocore")))


def error(fps: dict[str, float], n: int, seeds: Sequence[int]) -> dict[str, float]:
    """Medians over seeds of what ``accuracy`` says of the configs that were not measured."""
    configs = [parse_id(name) for name in fps]
    found = []
    for seed in seeds:
        train = first_sample(configs, n, seed)
        rest = [c for c in configs if c not in set(train)]
        model = CostModel(train, [1 / fps[c.id] for c in train], seed)
        found.append(accuracy(model.predict(rest), [1 / fps[c.id] for c in rest]))
    names = ("median_error", "p90_error", "spearman", "covered")
    return {name: round(median(getattr(one, name) for one in found), 4) for name in names}


def needed(fps: dict[str, float], quality: dict[str, float], seed: int, guided: bool) -> int:
    """Measurements until the measured configs cover the target at every scale."""
    configs = [parse_id(name) for name in fps]
    measured = first_sample(configs, FIRST, seed)
    order = list(np.random.default_rng(seed).permutation(len(configs)))
    while len(measured) < len(configs) and coverage(configs, measured, fps, quality) < TARGET:
        known = set(measured)
        left = [c for c in configs if c not in known]
        if guided:
            model = CostModel(measured, [1 / fps[c.id] for c in measured], seed)
            measured += suggest_frontier(model, {c: fps[c.id] for c in measured}, left, quality, BATCH)
        else:
            measured += [configs[i] for i in order if configs[i] not in known][:BATCH]
    return len(measured)


def coverage(
    configs: Sequence[Config], measured: Sequence[Config], fps: dict[str, float], quality: dict[str, float]
) -> float:
    """The worst scale's hypervolume of the measured configs over that of all."""
    ratios = []
    for scale in (2, 3, 4):
        every = np.array([(np.log10(fps[c.id]), quality[c.id]) for c in configs if c.scale == scale])
        some = [(np.log10(fps[c.id]), quality[c.id]) for c in measured if c.scale == scale]
        floor = every.min(axis=0)
        ratios.append(hypervolume(some, floor) / hypervolume(every, floor) if some else 0.0)
    return min(ratios)


if __name__ == "__main__":
    main()
