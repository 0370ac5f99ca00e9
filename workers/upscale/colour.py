"""Colour images: the network sees luma, colour differences are enlarged by bicubic."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from workers.luma import luma

TO_CHROMA = np.array([[-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255.0
TO_YCBCR = np.vstack([np.array([65.481, 128.553, 24.966]) / 255.0, TO_CHROMA])
TO_RGB = np.linalg.inv(TO_YCBCR)
"""ITU-R BT.601, studio range: Y 16..235, Cb and Cr 16..240 around 128."""


def split(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """(Y (H, W), CbCr (2, H, W) or None for a grey image), in 0..255."""
    chroma = None
    if pixels.ndim == 3:
        chroma = (128.0 + np.einsum("ck,hwk->chw", TO_CHROMA, pixels.astype(np.float64))).astype(np.float32)
    return luma(pixels), chroma


def join(y: NDArray[np.float32], chroma: NDArray[np.float32] | None) -> NDArray[np.uint8]:
    """The inverse of ``split``, rounded and clipped to 8 bits."""
    if chroma is None:
        return to_uint8((y - 16.0) * (255.0 / 219.0))
    ycc = np.stack([y - 16.0, chroma[0] - 128.0, chroma[1] - 128.0], axis=-1).astype(np.float64)
    return to_uint8(ycc @ TO_RGB.T)


def bicubic(planes: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """(C, H, W) enlarged by ``scale`` (Keys' a = -0.5)."""
    # antialias=True enlarging is a plain bicubic with a = -0.5; without it torch uses a = -0.75.
    tensor = torch.from_numpy(np.ascontiguousarray(planes))[None]
    return interpolate(tensor, scale_factor=scale, mode="bicubic", antialias=True)[0].numpy()


def to_uint8(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Rounded and clipped."""
    out: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return out
