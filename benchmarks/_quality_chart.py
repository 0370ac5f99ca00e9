"""The chart of docs/quality.md: ours minus released, one row per config, from the committed measurements.

python benchmarks/_quality_chart.py
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from analysis.charts.style import look
from search_space import parse_id

ROOT = Path(__file__).parent.parent
SHAPES = {"Set5": "o", "Set14": "s", "BSDS100": "^"}


def main() -> None:
    found = json.loads((ROOT / "benchmarks/results/quality.json").read_text())
    rows = [row for row in found["rows"] if row["seed"] == 0]
    names = list(dict.fromkeys(row["config"] for row in rows))
    figure, axes = plt.subplots(figsize=(7.2, 0.24 * len(names) + 1.0), layout="constrained")
    for at, name in enumerate(names):
        colour = look(parse_id(name).family).colour
        mine = [row for row in rows if row["config"] == name]
        deltas = [row["ours_db"] - row["released_db"] for row in mine]
        axes.plot([min(deltas), max(deltas)], [at, at], color=colour, alpha=0.4)
        for row, delta in zip(mine, deltas, strict=True):
            axes.plot(delta, at, SHAPES[row["dataset"]], color=colour, markersize=5)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.axvline(-0.1, color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("ours minus released weights, both under our protocol (dB)")
    axes.grid(axis="x", alpha=0.3)
    handles = [axes.plot([], [], shape, color="grey", label=name)[0] for name, shape in SHAPES.items()]
    axes.legend(handles=handles, loc="lower right", frameon=False)
    out = ROOT / "docs/images/quality.png"
    figure.savefig(out, dpi=150)
    print(out)


if __name__ == "__main__":
    main()
