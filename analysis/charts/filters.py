"""The templates of a one-layer edge-SR network, as images and as frequency responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.charts import style
from analysis.charts.legend import caption

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROLES = {"eSR-MAX": ("value",), "eSR-TM": ("value", "key"), "eSR-TR": ("value", "query", "key")}
"""The groups of templates of each family, in the order of their channels."""
FIELD = 64
"""Side of the frequency grid; filters are padded to it."""


@dataclass(frozen=True)
class Templates:
    """The templates of one role: ``taps`` (C, k*s, k*s), the large image that one pixel of the small one makes."""

    role: str
    taps: NDArray[np.float64]


def templates(weight: NDArray[np.float64], scale: int, roles: Sequence[str]) -> list[Templates]:
    """The filters (roles * s*s * C, 1, k, k) of a convolution before a pixel shuffle, as templates on the large grid.

    Output pixel (s*y + i, s*x + j) of channel c comes from filter c*s*s + i*s + j, so that the phases interleave
    into one (k*s, k*s) image per template.
    """
    count = len(weight) // (scale**2 * len(roles))
    side = weight.shape[-1]
    phases = weight.reshape(len(roles), count, scale, scale, side, side)
    # A convolution correlates: the tap at offset u weighs the pixel at -u, so the kernel is turned around.
    turned = phases[..., ::-1, ::-1]
    large = turned.transpose(0, 1, 4, 2, 5, 3).reshape(len(roles), count, side * scale, side * scale)
    return [Templates(role, large[i]) for i, role in enumerate(roles)]


def response(taps: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    """Magnitude (FIELD, FIELD) in dB of a template's frequency response, zero frequency in the middle.

    At 0 dB the mean of the small image is unchanged; the edge is half a cycle per pixel of the large image.
    """
    padded = np.zeros((max(FIELD, taps.shape[0]),) * 2)
    padded[: taps.shape[0], : taps.shape[1]] = taps
    magnitude = np.abs(np.fft.fftshift(np.fft.fft2(padded))) / scale**2
    decibels: NDArray[np.float64] = 20 * np.log10(np.maximum(magnitude, 1e-4))
    return decibels


def draw(config: str, scale: int, groups: Sequence[Templates]) -> Figure:
    """A column per template, two rows per role: taps (dark negative, light positive) and response (dark: blocked)."""
    from matplotlib.figure import Figure

    count = len(groups[0].taps)
    with style.applied():
        cell = min(1.0, 6.6 / max(count, 4))
        width = max(4.4, 0.5 + (cell + 0.04) * count + 0.55)
        figure = Figure(figsize=(width, 0.75 + 2 * len(groups) * (cell + 0.10)), layout="constrained")
        caption(
            figure, f"{config}: its {count} template{'s' if count > 1 else ''}",
            "taps on the large grid, each against its own largest; response in dB below the row's strongest"
            if count > 5 else "taps, each against its largest; response below the row's strongest",
        )  # fmt: skip
        engine: Any = figure.get_layout_engine()
        engine.set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.03)
        grid = figure.subplots(2 * len(groups), count, squeeze=False)
        for i, group in enumerate(groups):
            _rows(figure, grid[2 * i : 2 * i + 2], group, scale)
    return figure


def _rows(figure: Figure, grid: NDArray[Any], group: Templates, scale: int) -> None:
    answers = [response(taps, scale) for taps in group.taps]
    strongest = max(float(answer.max()) for answer in answers)
    for j, taps in enumerate(group.taps):
        # Templates differ a hundredfold in size: against one limit most would be plain grey.
        shown = grid[0, j].imshow(taps / (np.abs(taps).max() or 1.0), cmap="gray", vmin=-1, vmax=1)
        answer = grid[1, j].imshow(answers[j] - strongest, cmap="cividis", vmin=-40, vmax=0)
        for axes in grid[:, j]:
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(True)
                spine.set_linewidth(0.4)
        if group.role == "value":
            grid[0, j].set_title(str(j + 1), fontsize=6.5, pad=2)
    grid[0, 0].set_ylabel(group.role, fontsize=7.5)
    grid[1, 0].set_ylabel("response", fontsize=6.5)
    for image, row, label in ((shown, grid[0], "tap/max"), (answer, grid[1], "dB")):
        bar = figure.colorbar(image, ax=list(row), pad=0.015, aspect=9, fraction=0.05, shrink=0.95)
        bar.ax.tick_params(labelsize=5.5, length=2)
        bar.outline.set_linewidth(0.4)
        bar.ax.set_title(label, fontsize=5.5, pad=2)
