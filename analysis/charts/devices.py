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
    """A row per pair of devices, a panel per scale. ``speeds`` has (N,) frames/s for each, NaN where not measured.

    The panels of a row share their axes. Models in ``disturbed`` (N,) were measured while a machine was busy and are
    hollow.
    """
    from matplotlib.figure import Figure

    names = list(speeds)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    noisy = np.zeros(len(families), dtype=bool) if disturbed is None else disturbed
    columns = sorted(set(scales.astype(int).tolist()))
    kinds = np.asarray(families, dtype=object)
    with style.applied():
        size = (max(3.8, 2.2 * len(columns) + 0.6), 0.95 + 2.3 * len(pairs))
        figure = Figure(figsize=size, layout="constrained")
        caption(figure, "Does the order of speeds carry over?", note)
        grid = figure.subplots(len(pairs), len(columns), squeeze=False, sharex="row", sharey="row")
        for row, (a, b) in zip(grid, pairs, strict=True):
            agreed = agreements(speeds[a], speeds[b], scales)
            for axes, scale in zip(row, columns, strict=True):
                here = scales == scale
                _panel(axes, speeds[a][here], speeds[b][here], kinds[here], noisy[here])
                _say(axes, scale, agreed.get(scale))
            log_scale(row[0], "x", speeds[a])
            log_scale(row[0], "y", speeds[b])
            # Both names stand once in a row: its panels have the same axes.
            row[0].set_ylabel(f"{b} (frames/s)")
            row[len(columns) // 2].set_xlabel(f"{a} (frames/s)")
        family_legend(figure, families, lines=False, disturbed=bool(noisy.any()))
    return figure


def _say(axes: Axes, scale: int, agreed: tuple[float, int] | None) -> None:
    """What a panel shows: the scale, how far the ranks agree, and over how many models."""
    correlation, count = agreed or (np.nan, 0)
    told = f": rank correlation {correlation:.2f}" if np.isfinite(correlation) else ""
    axes.set_title(f"x{scale}{told}", loc="left")
    models = f"{count or 'no'} model{'' if count == 1 else 's'}"
    axes.text(0.97, 0.04, models, transform=axes.transAxes, ha="right", fontsize=6.5, color=style.GREY, zorder=6)


def _panel(axes: Axes, a: Array, b: Array, families: NDArray[np.object_], noisy: NDArray[np.bool_]) -> None:
    both = ~(np.isnan(a) | np.isnan(b))
    cloud(axes, a[both], b[both], list(families[both]), size=7, alpha=0.45, hollow=noisy[both])
