"""A real search on the embedded photographs against the exhaustive sweep of the same space: results/search_demo.json.

    python benchmarks/search_demo.py [--quick] [--out FOLDER] [--space demo] [--recipe demo] [--budget 5]

Trains every config, then searches afresh in a database of its own, and says how much of the exhaustive hypervolume
the searched configs reach (with the exhaustive sweep's measurements). Draws docs/images/search-demo.png.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import _record

from analysis.measures.frontier import frontier
from results_db.store import Store
from search_space import parse_id
from sweep.search.replay_table import ReplayTable
from sweep.search.tables import sweep_table
from sweep.speed.measure_missing import device_name

TEST = "embedded-test"
SWEEP = str(Path(sys.executable).parent / "sweep")


def run(*arguments: str) -> tuple[str, float]:
    """A sweep command's stdout and seconds; its progress goes to our stderr."""
    began = time.monotonic()
    done = subprocess.run([SWEEP, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout, time.monotonic() - began


def draw(tables: dict[int, ReplayTable], tried: dict[int, list[str]], path: Path) -> None:
    """One panel per scale: light points are configs, dark ones were searched, the line is the exhaustive frontier."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(tables), figsize=(4.2 * len(tables), 3.6), squeeze=False, layout="constrained")
    for axis, (scale, table) in zip(axes[0], tables.items(), strict=True):
        points = {config.id: pair for config, pair in table.values.items()}
        pairs = list(points.values())
        stairs = [pairs[i] for i in frontier(pairs).members]
        axis.step(*zip(*stairs, strict=True), where="pre", color="0.6", lw=1, label="exhaustive frontier")
        axis.plot(*zip(*points.values(), strict=True), "o", color="0.8", ms=6, label=f"all {len(points)}")
        axis.plot(
            *zip(*(points[c] for c in tried[scale]), strict=True), "o", color="#0b5fa5", ms=6,
            label=f"trained by the search: {len(tried[scale])}",
        )  # fmt: skip
        ratio = table.ratio([parse_id(c) for c in tried[scale]])
        axis.set(xscale="log", xlabel="frames/s", title=f"x{scale}: {100 * ratio:.1f} % of the hypervolume")
        axis.legend(fontsize=7, loc="lower left")
    axes[0][0].set_ylabel(f"PSNR on {TEST} (dB)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--space", default="demo")
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--budget", type=int, default=5)
    options = parser.parse_args()
    scales, steps = (2, 3, 4), []
    chart = Path(__file__).parents[1] / "docs" / "images" / "search-demo.png"
    if options.out:
        _record.RESULTS = options.out
        options.out.mkdir(parents=True, exist_ok=True)
        chart = options.out / "search-demo.png"
    if options.quick:
        scales, steps, options.recipe = (4,), ["--steps", "5"], "smoke"
    common = ["--space", options.space, "--recipe", options.recipe, *steps]
    for scale in scales:
        common += ["--scale", str(scale)]
    with tempfile.TemporaryDirectory() as folder:
        whole, searched = f"{folder}/exhaustive.db", f"{folder}/search.db"
        _, whole_seconds = run("run", *common, "--name", "all", "--db", whole)
        output, search_seconds = run(
            "search", *common, "--budget", str(options.budget), "--batch", "2", "--db", searched, "--json"
        )
        found = json.loads(output)
        with Store.open(whole, readonly=True) as store:
            tables = {scale: sweep_table(store, "all", device_name(), TEST, scale) for scale in scales}
        tried: dict[int, list[str]] = {one["scale"]: one["tried"] for one in found["scales"]}
    draw(tables, tried, chart)
    rows: list[dict[str, Any]] = [
        {
            "scale": scale,
            "configs": len(tables[scale].values),
            "trials": len(tried[scale]),
            "hypervolume_ratio": round(tables[scale].ratio([parse_id(c) for c in tried[scale]]), 5),
            "tried": tried[scale],
        }
        for scale in scales
    ]
    measurements = {
        "space": options.space,
        "recipe": options.recipe,
        "dataset": TEST,
        "exhaustive_seconds": round(whole_seconds, 1),
        "search_seconds": round(search_seconds, 1),
        "rows": rows,
    }
    print(_record.record("search_demo", measurements, ("torch", "ray", "optuna", "numpy")))


if __name__ == "__main__":
    main()
