"""A cloud of points with the family's look; used by the charts that compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.charts import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def cloud(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    families: Sequence[str],
    size: float = 9,
    alpha: float = 0.55,
    hollow: NDArray[np.bool_] | None = None,
) -> None:
    """Scatter (N,) against (N,), one family after another; those in ``hollow`` (N,) without their filling."""
    names = np.asarray(families, dtype=object)
    for family in style.in_order(names):
        look = style.look(family)
        open_ones = np.zeros(len(names), dtype=bool) if hollow is None else hollow
        shared: Any = {"s": size * look.size**2, "marker": look.marker, "alpha": alpha, "zorder": 3}
        full, empty = (names == family) & ~open_ones, (names == family) & open_ones
        axes.scatter(x[full], y[full], color=look.colour, linewidths=0, **shared)
        axes.scatter(x[empty], y[empty], facecolors="white", edgecolors=look.colour, linewidths=0.6, **shared)
    axes.grid(True)
