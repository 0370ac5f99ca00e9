"""For one image, where each template of a one-layer network wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.charts import style
from analysis.charts.legend import caption

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(
    config: str, name: str, scale: int, image: NDArray[np.float32], weights: NDArray[np.float32], note: str
) -> Figure:
    """``image`` (H, W) in 0..255 is what the model made; ``weights`` (C, H, W) how much each template counts there.

    Left the image, right the template with the largest weight (at the first of the scale * scale sub-pixels of each
    small pixel: the others have filters of their own, and together they look like a weave), below each one's share
    of what is shown.
    """
    from matplotlib.figure import Figure

    weights = weights[:, ::scale, ::scale]
    winner = weights.argmax(axis=0)
    count = len(weights)
    wins = np.bincount(winner.ravel(), minlength=count) / winner.size
    soft = weights.reshape(count, -1).mean(axis=1)
    with style.applied():
        height, width = image.shape
        figure = Figure(figsize=(7.2, 7.2 / 2 * height / width + 2.2), layout="constrained")
        caption(figure, f"{config}: where each template wins", note)
        grid = figure.add_gridspec(2, 2, height_ratios=(3.5 * height / width, 1.15))
        left, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
        left.imshow(image, cmap="gray", vmin=16, vmax=235)
        left.set_title(f"{name}, as the model makes it", loc="left")
        colours = _colours(count)
        right.imshow(colours[winner], interpolation="nearest")
        right.set_title("template with the largest weight, first sub-pixel", loc="left")
        for axes in (left, right):
            axes.set_axis_off()
        _shares(figure.add_subplot(grid[1, :]), wins, soft, colours)
    return figure


def _colours(count: int) -> NDArray[np.float64]:
    """(C, 3) colours that also differ in lightness: neighbours in number are far apart in grey."""
    from matplotlib import colormaps

    order = np.argsort(np.argsort([int(f"{i:05b}"[::-1], 2) for i in range(count)]))
    found: NDArray[np.float64] = colormaps["viridis"](order / max(1, count - 1))[:, :3]
    return found


def _shares(axes: Axes, wins: NDArray[np.float64], soft: NDArray[np.float64], colours: NDArray[np.float64]) -> None:
    places = np.arange(len(wins))
    axes.bar(places, 100 * wins, color=[tuple(c) for c in colours], edgecolor=style.INK, linewidth=0.4, width=0.72)
    hard = np.allclose(wins, soft)
    if not hard:
        axes.plot(
            places, 100 * soft, "o", color=style.INK, markersize=3.5, markerfacecolor="white", label="mean weight"
        )
        axes.legend(loc="upper right")
    axes.set_xticks(places, [str(i + 1) for i in places])
    axes.set_xlabel("template")
    axes.set_ylabel("share of pixels (%)")
    axes.grid(True, axis="y")
