"""Side by side: the original, bicubic and chosen models on one part of an image, with the PSNR under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from analysis.charts import style
from analysis.charts.legend import caption

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """One crop (h, w) in 0..255 and what stands under it; ``psnr`` in dB of the whole image, None for the original."""

    name: str
    image: NDArray[np.float32]
    psnr: float | None


def draw(title: str, note: str, whole: NDArray[np.float32], crop: tuple[int, int, int, int],
         pictures: Sequence[Picture]) -> Figure:  # fmt: skip
    """The whole image with the crop marked, then the crops; as many rows as it takes."""
    from matplotlib.figure import Figure

    with style.applied():
        columns = min(4, len(pictures))
        rows = -(-len(pictures) // columns)
        ratio = crop[3] / crop[2]
        shape = whole.shape[0] / whole.shape[1]
        side = 1.42
        tall = rows * (side * ratio + 0.36)
        left = min(2.6, max(1.2, tall / shape))
        figure = Figure(figsize=(left + columns * (side + 0.08) + 0.2, tall + 0.6), layout="constrained")
        caption(figure, title, note)
        grid = figure.add_gridspec(rows, columns + 1, width_ratios=[left, *[side] * columns])
        axes = figure.add_subplot(grid[:, 0])
        axes.imshow(whole, cmap="gray", vmin=16, vmax=235)
        axes.add_patch(Rectangle(crop[:2], crop[2], crop[3], fill=False, edgecolor="white", linewidth=2.2))
        axes.add_patch(Rectangle(crop[:2], crop[2], crop[3], fill=False, edgecolor=style.INK, linewidth=1.0))
        axes.set_axis_off()
        low, high = np.percentile(pictures[0].image, [0.5, 99.5])
        for i, picture in enumerate(pictures):
            place = figure.add_subplot(grid[i // columns, 1 + i % columns])
            place.imshow(picture.image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
            for spine in place.spines.values():
                spine.set_visible(True)
                spine.set_linewidth(0.5)
            under = picture.name if picture.psnr is None else f"{picture.name}\n{picture.psnr:.2f} dB"
            place.set_xlabel(under, fontsize=7, labelpad=2)
    return figure
