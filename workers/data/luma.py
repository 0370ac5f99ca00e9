"""The one channel that is super-resolved: BT.601 studio-range luma, as MATLAB's ``rgb2ycbcr`` gives it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WEIGHTS = np.array([65.481, 128.553, 24.966], dtype=np.float64) / 255.0


def luma(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Y of ITU-R BT.601 in floating point, not rounded: black 16, white 235 of 255.

    ``pixels`` is uint8 (H, W, 3) RGB or (H, W) grey (a grey value counts as R = G = B); returns float32 (H, W).

    >>> import numpy as np
    >>> luma(np.full((1, 2), 255, np.uint8)).tolist()
    [[235.0, 235.0]]
    """
    if pixels.ndim == 2:
        return (16.0 + pixels.astype(np.float64) * (219.0 / 255.0)).astype(np.float32)
    return (16.0 + pixels.astype(np.float64) @ _WEIGHTS).astype(np.float32)


def crop(image: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """The top left part whose sides are multiples of ``scale``."""
    height, width = image.shape[0] // scale * scale, image.shape[1] // scale * scale
    return image[:height, :width]
