"""``python -m analysis.templates``: for one image, where each template of a one-layer network wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.charts.templates import draw
from analysis.filters import one_of
from analysis.reading import imaging
from analysis.reading.models import Models
from analysis.reading.selection import Selection
from search_space import parse_id

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from results_db.store import Store


def figure(store: Store | None, selection: Selection) -> Figure:
    """The map of the config asked for on ``selection.image`` (default: the embedded sample)."""
    models = Models(store, selection.weights, selection.sweep)
    config = one_of(models, selection)
    module = models.require(config)
    name, luma = imaging.read_luma(selection.image)
    pair = imaging.pair(name, luma, parse_id(config).scale)
    image = imaging.upscale(module, pair)
    weights = template_weights(module, parse_id(config).family, pair.lr)
    note = f"{name}, x{pair.scale}: {imaging.psnr(image, pair):.2f} dB; templates numbered as in the filter chart"
    return draw(config, name, pair.scale, image, weights, note)


def template_weights(module: nn.Module, family: str, lr: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each template counts at each pixel: (C, H, W), summing to 1 over C.

    The softmax of eSR-TM (key) and eSR-TR (query * key); for eSR-MAX 1 where the template is the maximum.
    """
    import torch

    with torch.inference_mode():
        maps = module.feature_maps(torch.from_numpy(lr)[None, None])  # type: ignore[operator]
        if family == "eSR-MAX":
            (value,) = maps
            weights = torch.zeros_like(value).scatter_(1, value.argmax(dim=1, keepdim=True), 1.0)
        else:
            weights = (maps[1] if family == "eSR-TM" else maps[1] * maps[2]).softmax(dim=1)
    found: NDArray[np.float32] = weights[0].numpy()
    return found


if __name__ == "__main__":
    from analysis.script import main

    main("templates")
