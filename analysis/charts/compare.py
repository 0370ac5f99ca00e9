"""One source of measurements against another: scatter, residuals, and what choosing by the other would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.charts import style
from analysis.charts.legend import caption, family_legend
from analysis.charts.points import cloud
from analysis.measures.agreement import Agreement, Overlap, agreement
from search_space.metrics import Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Pairs:
    """The models of one scale that both sources have: (N,) values, and their frontiers where a speed is known."""

    scale: int
    configs: Sequence[str]
    families: Sequence[str]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    overlaps: tuple[tuple[str, Overlap], ...] = ()
    """By device."""


def draw(
    pairs: Sequence[Pairs], metric: Quantity, first: str, second: str, note: str
) -> tuple[Figure, list[Agreement]]:
    """A column per scale: above ``second`` against ``first``, below the difference, with how far they agree."""
    from matplotlib.figure import Figure

    agreements = []
    with style.applied():
        figure = Figure(figsize=(max(3.8, 2.55 * len(pairs) + 0.5), 5.2), layout="constrained")
        caption(figure, f"{metric.label}: {second} against {first}", note)
        grid = figure.subplots(2, len(pairs), squeeze=False, height_ratios=(1.5, 1), sharex="col")
        for j, pair in enumerate(pairs):
            agreed = agreement(pair.first, pair.second)
            agreements.append(agreed)
            _scatter(grid[0, j], pair, agreed, metric.unit)
            _residuals(grid[1, j], pair, agreed)
            unit = f" ({metric.unit})" if metric.unit else ""
            grid[1, j].set_xlabel(f"{first}{unit}")
            if j == 0:
                grid[0, j].set_ylabel(f"{second}{unit}")
                grid[1, j].set_ylabel(f"{second} - {first}{unit}")
        family_legend(figure, {f for pair in pairs for f in pair.families}, lines=False)
    return figure, agreements


def _scatter(axes: Axes, pair: Pairs, agreed: Agreement, unit: str) -> None:
    axes.set_title(f"x{pair.scale}, {agreed.count} models", loc="left")
    both: Any = np.concatenate([pair.first, pair.second])
    low, high = float(np.nanmin(both)), float(np.nanmax(both))
    room = 0.04 * ((high - low) or 1)
    axes.plot([low - room, high + room], [low - room, high + room], color=style.GREY, linewidth=0.8, zorder=1)
    cloud(axes, pair.first, pair.second, pair.families)
    after = f" {unit}" if unit else ""
    lines = [f"rank correlation {agreed.spearman:.3f}", f"median difference {agreed.median:+.3f}{after}",
            f"interquartile range {agreed.spread:.3f}{after}"]  # fmt: skip
    for device, overlap in pair.overlaps:
        lines.append(f"{device}: frontier shared {overlap.jaccard:.0%}, volume {overlap.hypervolume_ratio:.1%}")
    axes.text(
        0.03, 0.97, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=6.2, color=style.INK, zorder=6,
        bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5},
    )  # fmt: skip
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(low - room, high + (0.33 + 0.05 * len(pair.overlaps)) * (high - low) + room)


def _residuals(axes: Axes, pair: Pairs, agreed: Agreement) -> None:
    residual = pair.second - pair.first
    axes.axhline(0, color=style.GREY, linewidth=0.8, zorder=1)
    if np.isfinite(agreed.median):
        axes.axhline(agreed.median, color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=4)
    cloud(axes, pair.first, residual, pair.families)
