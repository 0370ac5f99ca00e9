"""How the frontier grew over the sweep's time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.charts import style
from analysis.charts.legend import caption
from analysis.charts.ticks import log_scale
from analysis.measures.frontier import frontier
from analysis.measures.hypervolume import grown, reference
from search_space.metrics import Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARES = (0.1, 0.25, 0.5, 1.0)
GREYS = ("#c2c2c2", "#949494", "#5e5e5e", style.INK)
DASHES = ((0, (1, 1.2)), (0, (3, 1.5)), (0, (7, 2)), "solid")


@dataclass(frozen=True)
class History:
    """The finished models of one scale in order of time: (N,) each. ``when`` in hours since the first, or a count."""

    scale: int
    when: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


def draw(histories: Sequence[History], x: Quantity, y: Quantity, when: str, title: str, note: str) -> Figure:
    """Above the frontier after a tenth, a quarter, half and all of the results; below the volume it covers."""
    from matplotlib.figure import Figure

    with style.applied():
        figure = Figure(figsize=(max(3.8, 2.55 * len(histories) + 0.5), 4.6), layout="constrained")
        caption(figure, title, note)
        grid = figure.subplots(2, len(histories), squeeze=False, height_ratios=(1.5, 1))
        for j, history in enumerate(histories):
            _fronts(grid[0, j], history, x, y)
            _volume(grid[1, j], history, x, y)
            grid[0, j].set_xlabel(x.title)
            grid[1, j].set_xlabel(when)
            if j == 0:
                grid[0, j].set_ylabel(y.title)
                grid[1, j].set_ylabel("volume (% of the end)")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=4)
    return figure


def _fronts(axes: Axes, history: History, x: Quantity, y: Quantity) -> None:
    axes.set_title(f"x{history.scale}, {len(history.x)} results", loc="left")
    axes.scatter(history.x, history.y, s=5, color=style.LIGHT, linewidths=0, zorder=1)
    for share, grey, dash in zip(SHARES, GREYS, DASHES, strict=True):
        count = max(1, int(np.ceil(share * len(history.x))))
        points = np.column_stack([history.x[:count], history.y[:count]])
        members = list(frontier(points, (x.more_is_better, y.more_is_better)).members)
        line = points[members]
        axes.step(line[:, 0], line[:, 1], where="post", color=grey, linestyle=dash, linewidth=1.2,
                  label=f"after {share:.0%}" if share < 1 else "all", zorder=2)  # fmt: skip
    if x.log:
        log_scale(axes, "x", history.x)
    axes.grid(True)


def _volume(axes: Axes, history: History, x: Quantity, y: Quantity) -> None:
    """Covered volume after each result, in the logarithm of a logarithmic cost."""
    cost = np.log10(history.x) if x.log else history.x
    points = np.column_stack([cost, history.y])
    maximise = (x.more_is_better, y.more_is_better)
    volume = grown(points, reference(points, maximise), maximise)
    if volume[-1] > 0:
        axes.step(history.when, 100 * volume / volume[-1], where="post", color=style.INK, linewidth=1.2)
    axes.set_ylim(0, 105)
    axes.grid(True)
