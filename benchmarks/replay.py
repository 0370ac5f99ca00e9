"""How fast each sampler reaches the exhaustive frontier, replayed on the published tables: results/replay.json.

python benchmarks/replay.py [--quick] [--out FOLDER] [--file tests.pkl] [--seeds 30] [--jobs 2]
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import _record

from search_space.spaces import load_space
from sweep.search.comparison import compare
from sweep.search.samplers import SamplerName
from sweep.search.tables import of_facts, published_file

ALL = ("frontier", "frontier-blind", "random", "tpe", "tpe-multivariate", "nsga2")
DATASET = "BSDS100"


def one(job: tuple[str, str, int, str, int, int]) -> list[dict[str, Any]]:
    """One sampler on one table."""
    from results_db import published

    path, device, scale, sampler, budget, seeds = job
    table = of_facts(published.read(Path(path)), device, DATASET, scale)
    rows = compare([table], [SamplerName(sampler)], budget, seeds, range(5, budget + 1, 5), load_space("paper"))
    last = rows[-1]
    print(f"{device} x{scale} {sampler:17} {last.trials} trials: {last.hypervolume_ratio_median:.4f}", flush=True)
    return [asdict(row) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--file", type=Path, default=published_file())
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--samplers", nargs="*", default=list(ALL))
    options = parser.parse_args()
    if options.file is None or not options.file.is_file():
        print("replay: the published table is not here (--file tests.pkl); nothing measured")
        return
    if options.out:
        _record.RESULTS = options.out
        options.out.mkdir(parents=True, exist_ok=True)
    devices, scales, seeds = ("AGX", "MaxQ", "RPI"), (2, 3, 4), options.seeds
    samplers = options.samplers
    if options.quick:
        devices, scales, seeds, samplers = ("RPI",), (4,), 2, ["frontier", "random"]
    jobs = [
        (str(options.file), device, scale, sampler, options.budget, seeds)
        for device in devices
        for scale in scales
        for sampler in samplers
    ]
    with ProcessPoolExecutor(options.jobs) as pool:
        rows = [row for found in pool.map(one, jobs) for row in found]
    last = [row for row in rows if row["trials"] == options.budget]
    reached = {
        sampler: sorted(row["hypervolume_ratio_median"] for row in last if row["sampler"] == sampler)
        for sampler in samplers
    }
    figures = {
        "dataset": DATASET,
        "plane": "log(frames/s) x PSNR (dB), both larger is better",
        "reference_point": "the worst value of each axis over the whole table of a scale",
        "configs_a_scale": 395,
        "goal": 0.99,
        "medians_at_budget": reached,
        "rows": rows,
    }
    print(_record.record("replay", figures, ("optuna", "numpy", "scipy")))


if __name__ == "__main__":
    main()
