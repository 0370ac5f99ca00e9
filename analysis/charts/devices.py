"""Devices against devices: the same models' speeds, and whether their order agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.charts import style
from analysis.charts.legend import caption, family_legend
from analysis.charts.points import cloud
from analysis.charts.ticks import log_scale
from analysis.measures.agreement import spearman

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]


def agreements(a: Array, b: Array, scales: Array) -> dict[int, tuple[float, int]]:
    """Rank correlation and number of models by scale; speeds (N,) with NaN where not measured."""
    both = ~(np.isnan(a) | np.isnan(b))
    out = {}
    for scale in sorted(set(scales[both].astype(int).tolist())):
        at_scale = both & (scales == scale)
        out[scale] = (spearman(a[at_scale], b[at_scale]), int(at_scale.sum()))
    return out


def draw(
    speeds: Mapping[str, Array],
    families: Sequence[str],
    scales: Array,
    note: str,
    disturbed: NDArray[np.bool_] | None = None,
) -> Figure:
    """A panel per pair of devices. ``speeds`` has (N,) frames/s for each, NaN where not measured.

    Models in ``disturbed`` (N,) were measured while a machine was busy and are hollow.
    """
    from matplotlib.figure import Figure

    names = list(speeds)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    noisy = np.zeros(len(families), dtype=bool) if disturbed is None else disturbed
    columns = min(3, len(pairs))
    rows = -(-len(pairs) // columns)
    with style.applied():
        figure = Figure(figsize=(max(3.8, 2.55 * columns + 0.5), 0.95 + 2.6 * rows), layout="constrained")
        caption(figure, "Does the order of speeds carry over?", note)
        grid = figure.subplots(rows, columns, squeeze=False)
        for k, axes in enumerate(grid.flat):
            if k >= len(pairs):
                axes.set_axis_off()
                continue
            a, b = pairs[k]
            _panel(axes, speeds[a], speeds[b], families, scales, noisy)
            axes.set_xlabel(f"{a} (frames/s)")
            axes.set_ylabel(f"{b} (frames/s)")
        family_legend(figure, families, lines=False, disturbed=bool(noisy.any()))
    return figure


def _panel(axes: Axes, a: Array, b: Array, families: Sequence[str], scales: Array, noisy: NDArray[np.bool_]) -> None:
    by_scale = agreements(a, b, scales)
    both = ~(np.isnan(a) | np.isnan(b))
    names = [f for f, ok in zip(families, both, strict=True) if ok]
    cloud(axes, a[both], b[both], names, size=7, alpha=0.45, hollow=noisy[both])
    log_scale(axes, "x", a)
    log_scale(axes, "y", b)
    axes.set_title("rank correlation", loc="left", fontsize=7.5)
    lines = "\n".join(f"x{scale}  {rho:.2f}  ({count} models)" for scale, (rho, count) in by_scale.items())
    axes.text(
        0.03, 0.97, lines or "no model in common", transform=axes.transAxes, va="top", fontsize=6.5, color=style.INK,
        zorder=6, bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5},
    )  # fmt: skip
