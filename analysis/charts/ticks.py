"""Logarithmic axes with ticks in plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def log_scale(axes: Axes, which: Literal["x", "y"], values: NDArray[np.float64]) -> None:
    """Make an axis logarithmic: ticks at 1, 2, 5 times powers of ten, or powers alone where that is too many."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    known = values[np.isfinite(values) & (values > 0)]
    decades = float(np.log10(known.max() / known.min())) if len(known) else 1.0
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis.set_major_locator(LogLocator(base=10, subs=(1.0,) if decades > 2.2 else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    axis.set_minor_formatter(NullFormatter())


def plain(value: float) -> str:
    """A tick as people write it.

    >>> plain(2000.0), plain(0.05), plain(3e9)
    ('2000', '0.05', '3G')
    """
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value / 1e3:g}k" if value >= 1e4 else f"{value:g}"
