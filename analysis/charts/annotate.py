"""Labels with leaders on a finished panel, placed so that they hide nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.charts import style
from analysis.charts.label_placement import Box, nearest, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patheffects import AbstractPathEffect

SIZE = 6.2


@dataclass(frozen=True)
class Tag:
    """The labels one panel is to have; coordinates in data units."""

    axes: Axes
    anchors: NDArray[np.float64]
    """The labelled points (L, 2)."""
    names: tuple[str, ...]
    points: NDArray[np.float64]
    """All points (N, 2), to keep off."""
    path: NDArray[np.float64]
    """The frontier's corners (P, 2), to keep off."""


def settle(figure: Figure) -> None:
    """Work out the layout and keep it, so that places in pixels mean something."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        # As every drawing begins with; the rest of one, without a picture, would only take time.
        engine.execute(figure)
    figure.set_layout_engine("none")


def annotate(figure: Figure, tag: Tag) -> list[Box]:
    """Draw a panel's labels on a settled figure; returns their boxes in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if not tag.names:
        return []
    axes = tag.axes
    canvas = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    texts = [
        axes.text(0, 0, name, fontsize=SIZE, color=style.INK, ha="left", va="bottom", transform=None, zorder=7)
        for name in tag.names
    ]
    sizes = []
    for text in texts:
        extent = text.get_window_extent(renderer)
        sizes.append((extent.width + 3, extent.height + 1))
    inside = axes.get_window_extent(renderer)
    bounds = Box(inside.x0 + 2, inside.y0 + 2, inside.x1 - 1, inside.y1 - 1)
    pixels = [axes.transData.transform(each) for each in (tag.anchors, tag.points, tag.path)]
    boxes = place(pixels[0], sizes, bounds, pixels[1], radius=2.5 * figure.dpi / 100, path=pixels[2])
    # Positions are kept as shares of the panel, so that another resolution or a vector file agrees.
    to_axes = axes.transAxes.inverted()
    for text, box, anchor in zip(texts, boxes, pixels[0], strict=True):
        text.set_transform(axes.transAxes)
        left, bottom = to_axes.transform((box.left + 1.5, box.bottom + 1))
        text.set_position((float(left), float(bottom)))
        end = nearest(box, anchor)
        ends = to_axes.transform(np.array([anchor, end]))
        axes.plot(ends[:, 0], ends[:, 1], transform=axes.transAxes, color=style.INK, linewidth=0.5, zorder=6)
        axes.plot(
            *ends[0], marker="o", markersize=5.2, fillstyle="none", color=style.INK, markeredgewidth=0.7,
            transform=axes.transAxes, zorder=6,
        )  # fmt: skip
        text.set_path_effects([_halo()])
    return boxes


def _halo() -> AbstractPathEffect:
    from matplotlib.patheffects import withStroke

    return withStroke(linewidth=1.6, foreground="white", alpha=0.85)
