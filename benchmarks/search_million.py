"""A space of a million configs searched with 200 trainings on the embedded photographs: results/search_million.json.

    python benchmarks/search_million.py [--quick] [--out FOLDER] [--budget 200] [--sampler frontier --sampler random]
    python benchmarks/search_million.py --databases FOLDER      # keeps them; the same command goes on after a stop

Each sampler searches in a database of its own, with the recipe ``demo`` and at most 20,000 parameters per network.
Quality against parameters, which no other program on the machine disturbs. Draws docs/images/search-million.png.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import _record
import numpy as np

from analysis.measures.frontier import frontier
from search_space.spaces import load_space
from sweep.search.features import Array
from sweep.search.hypervolume import hypervolume
from sweep.search.objectives import parse_objectives

SPACE = Path(__file__).parent / "million.yaml"
OBJECTIVES = "psnr:embedded-test,parameters"
LARGEST = 20_000
"""Parameters of a network; larger ones are outside of what is searched."""
SWEEP = str(Path(sys.executable).parent / "sweep")
Point = tuple[float, float]
"""PSNR in dB and parameters of a trained network."""


def search(sampler: str, budget: int, recipe: str, steps: list[str], folder: Path | str) -> dict[str, Any]:
    """One search: what was tried, and the frontier."""
    db = f"{folder}/{sampler}.db"
    command = [SWEEP, "search", "--space", str(SPACE), "--scale", "2", "--recipe", recipe, *steps, "--sampler", sampler]
    command += ["--objectives", OBJECTIVES, "--constraint", f"parameters<={LARGEST}", "--budget", str(budget)]
    done = subprocess.run([*command, "--db", db, "--name", sampler, "--json"], stdout=subprocess.PIPE, check=True)
    (found,) = json.loads(done.stdout)["scales"]
    return {**found, "sampler": sampler, "points": points(db, sampler)}


def points(db: str, study: str) -> list[Point]:
    """PSNR and parameters of every trained network, in the order in which they were suggested."""
    import optuna

    from sweep.search.studies import storage_url

    trials = optuna.load_study(study_name=f"{study}-x2", storage=storage_url(db)).trials
    # A config that is suggested again is told once more, without its name.
    return [(t.values[0], t.values[1]) for t in trials if t.values is not None and "config" in t.user_attrs]


def best(points: list[Point]) -> list[Point]:
    """The frontier, the smallest first."""
    return [points[i] for i in reversed(frontier(points, (True, False)).members)]


def curves(searches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The hypervolume of each search after every tenth of its trials, as a part of what all of them reach together."""
    quality, size = parse_objectives(OBJECTIVES)

    def on_axes(points: list[Point]) -> Array:
        return np.array([[quality.axis(q), size.axis(p)] for q, p in points])

    axes = [on_axes(one["points"]) for one in searches]
    # Of the frontiers only: a single failed training would else be the worst, and decide what the others are worth.
    together = on_axes([point for one in searches for point in best(one["points"])])
    reference = together.min(axis=0) - 0.01 * np.ptp(together, axis=0)
    whole = hypervolume(together, reference)
    rows = []
    for one, own in zip(searches, axes, strict=True):
        counts = sorted({max(1, round(len(own) * tenth / 10)) for tenth in range(1, 11)})
        ratios = {count: round(hypervolume(own[:count], reference) / whole, 5) for count in counts}
        rows.append({key: one[key] for key in ("sampler", "candidates", "trained", "frontier")})
        rows[-1]["hypervolume_ratio"] = ratios
    return rows


def draw(searches: list[dict[str, Any]], rows: list[dict[str, Any]], path: Path) -> None:
    """Left: what each search trained, and its frontier; right: the hypervolume against trainings."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (plane, curve) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for number, (one, row) in enumerate(zip(searches, rows, strict=True)):
        color = f"C{number}"
        plane.plot([p for _, p in one["points"]], [q for q, _ in one["points"]], ".", color=color, alpha=0.35)
        qualities, sizes = zip(*best(one["points"]), strict=True)
        plane.step([*sizes, LARGEST], [*qualities, qualities[-1]], where="post", color=color, label=one["sampler"])
        curve.plot(list(row["hypervolume_ratio"]), list(row["hypervolume_ratio"].values()), "o-", color=color, ms=3)
    frontiers = [quality for one in searches for quality, _ in best(one["points"])]
    room = 0.1 * (max(frontiers) - min(frontiers)) + 0.01
    plane.set(xscale="log", xlabel="parameters", ylabel="PSNR on embedded-test (dB)")
    plane.set_ylim(min(frontiers) - room, max(frontiers) + room)
    plane.legend()
    curve.set(xlabel="trainings", ylabel="part of the hypervolume of all searches")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--databases", type=Path, help="Where the searches are kept; a temporary folder by default.")
    parser.add_argument("--sampler", action="append", help="frontier and random by default")
    options = parser.parse_args()
    chart, steps = Path(__file__).parents[1] / "docs" / "images" / "search-million.png", []
    if options.out:
        _record.RESULTS = options.out
        chart = options.out / "search-million.png"
    if options.quick:
        options.budget, options.recipe, steps = 10, "smoke", ["--steps", "2"]
    if options.databases:
        options.databases.mkdir(parents=True, exist_ok=True)
    with contextlib.nullcontext(options.databases) if options.databases else tempfile.TemporaryDirectory() as folder:
        names = options.sampler or ["frontier", "random"]
        searches = [search(name, options.budget, options.recipe, steps, folder) for name in names]
    rows = curves(searches)
    measurements = {
        "configs": load_space(str(SPACE)).size,
        "objectives": OBJECTIVES,
        "largest_parameters": LARGEST,
        "recipe": options.recipe,
        "budget": options.budget,
        "reference_point": "1 % of their spread below the worst value of each axis over the frontiers of all searches",
        "rows": rows,
    }
    print(_record.record("search_million", measurements, ("torch", "ray", "optuna", "numpy")))
    draw(searches, rows, chart)


if __name__ == "__main__":
    main()
