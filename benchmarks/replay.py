"""How fast each sampler reaches the exhaustive frontier, replayed on the published tables: results/replay.json.

    python benchmarks/replay.py [--quick] [--out FOLDER] [--file tests.pkl] [--seeds 30] [--jobs 2]

Draws docs/images/replay.png. ``--draw`` draws it from the measurements that are there.
"""

from __future__ import annotations

import argparse
import itertools
import json
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
from sweep.search.tables import published_file, published_table

ALL = ("frontier", "frontier-blind", "random", "tpe", "tpe-multivariate", "nsga2", "nsga3")
DATASET = "BSDS100"
HELD_OUT = ("Urban100", "Manga109")
"""Test sets on whose tables no sampler's setting was chosen."""


def one(job: tuple[str, str, str, int, str, int, int]) -> list[dict[str, Any]]:
    """One sampler on one table."""
    from results_db.foreign import published

    path, dataset, device, scale, sampler, budget, seeds = job
    table = published_table(published.read(Path(path)), device, dataset, scale)
    rows = compare([table], [SamplerName(sampler)], budget, seeds, range(5, budget + 1, 5), load_space("paper"))
    last = rows[-1]
    print(
        f"{dataset} {device} x{scale} {sampler:17} {last.trials} trials: {last.hypervolume_ratio_median:.4f}",
        flush=True,
    )
    return [asdict(row) for row in rows]


LOOK = {
    "frontier": ("#0b5fa5", "-", "frontier (speeds known)"),
    "frontier-blind": ("#0b5fa5", ":", "frontier (speeds not known)"),
    "tpe-multivariate": ("#b8500f", "-", "Optuna: multivariate TPE"),
    "tpe": ("#b8500f", ":", "Optuna: TPE as it comes"),
    "random": ("0.45", "-", "random"),
}
NAMES = {"AGX": "Jetson AGX Xavier", "MaxQ": "GTX 1080 Max-Q", "RPI": "Raspberry Pi"}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """A panel a table: the part of the hypervolume that is missing, on a log scale; median and quartiles."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(3, 3, figsize=(10, 8.4), sharex=True, sharey=True, layout="constrained")
    for (device, scale), axis in zip(itertools.product(NAMES, (2, 3, 4)), axes.flat, strict=True):
        for sampler, (colour, dash, label) in LOOK.items():
            mine = [r for r in rows if (r["table"], r["scale"], r["sampler"]) == (device, scale, sampler)]
            trials = [r["trials"] for r in mine]
            middle, low, high = ([100 * (1 - r[k]) for r in mine] for k in ("hypervolume_ratio_median", "q25", "q75"))
            axis.fill_between(trials, low, high, color=colour, alpha=0.15, lw=0)
            axis.plot(trials, middle, dash, color=colour, label=label)
        axis.axhline(1, color="black", lw=0.8)
        axis.set(yscale="log", title=f"{NAMES[device]}, x{scale}")
        axis.grid(alpha=0.3, which="both")
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes[0][0].legend(fontsize=7.5, loc="lower left")
    figure.supxlabel("trials, of 395")
    figure.supylabel("hypervolume missing (1 % is the goal)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--file", type=Path, default=published_file())
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--samplers", nargs="*", default=list(ALL))
    parser.add_argument("--draw", action="store_true")
    options = parser.parse_args()
    chart = Path(__file__).parents[1] / "docs" / "images" / "replay.png"
    if options.draw:
        draw(json.loads((_record.RESULTS / "replay.json").read_text())["rows"], chart)
        return
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
    held_out = () if options.quick else HELD_OUT

    def jobs(dataset: str, samplers: list[str]) -> list[tuple[str, str, str, int, str, int, int]]:
        cells = itertools.product(devices, scales, samplers)
        return [(str(options.file), dataset, d, s, name, options.budget, seeds) for d, s, name in cells]

    with ProcessPoolExecutor(options.jobs) as pool:
        rows = [row for found in pool.map(one, jobs(DATASET, samplers)) for row in found]
        elsewhere = [
            {"dataset": dataset, **found[-1]}
            for dataset in held_out
            for found in pool.map(one, jobs(dataset, ["frontier", "random"]))
        ]
    last = [row for row in rows if row["trials"] == options.budget]
    reached = {
        sampler: sorted(row["hypervolume_ratio_median"] for row in last if row["sampler"] == sampler)
        for sampler in samplers
    }
    measurements = {
        "dataset": DATASET,
        "plane": "log(frames/s) x PSNR (dB), both larger is better",
        "reference_point": "the worst value of each axis over the whole table of a scale",
        "configs_a_scale": 395,
        "goal": 0.99,
        "medians_at_budget": reached,
        "rows": rows,
        "held_out_at_budget": elsewhere,
    }
    print(_record.record("replay", measurements, ("optuna", "numpy", "scipy")))
    if not options.quick and not options.out:
        draw(rows, chart)


if __name__ == "__main__":
    main()
