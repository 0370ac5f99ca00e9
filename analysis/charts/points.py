"""A cloud of points with the family's look; used by the charts that compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
) -> None:
    """Scatter (N,) against (N,), one family after another."""
    names = np.asarray(families, dtype=object)
    for family in style.in_order(names):
        look = style.look(family)
        of_family = names == family
        axes.scatter(
            x[of_family], y[of_family], s=size * look.size**2, color=look.colour, marker=look.marker, alpha=alpha,
            linewidths=0, zorder=3,
        )  # fmt: skip
    axes.grid(True)
