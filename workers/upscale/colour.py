"""Colour images: the network sees luma, colour differences are enlarged by bicubic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from workers.data.luma import luma
from workers.upscale.tiles import Piece

TO_CHROMA = np.array([[-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255.0
TO_YCBCR = np.vstack([np.array([65.481, 128.553, 24.966]) / 255.0, TO_CHROMA])
TO_RGB = np.linalg.inv(TO_YCBCR)
"""ITU-R BT.601, studio range: Y 16..235, Cb and Cr 16..240 around 128."""
REACH = 3
"""Rows beyond a strip that its bicubic enlargement sees, and one to spare."""


def split(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """(Y (H, W), CbCr (2, H, W) or None for a grey image), in 0..255."""
    return luma(pixels), None if pixels.ndim == 2 else colour(pixels)


def colour(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Cb and Cr (2, H, W) in 0..255 of RGB (H, W, 3)."""
    planes = np.ascontiguousarray(np.moveaxis(pixels, -1, 0)).astype(np.float32)
    out: NDArray[np.float32] = np.tensordot(TO_CHROMA.astype(np.float32), planes, 1)
    out += np.float32(128)
    return out


def join(y: NDArray[np.float32], chroma: NDArray[np.float32] | None) -> NDArray[np.uint8]:
    """The inverse of ``split``, rounded and clipped to 8 bits."""
    if chroma is None:
        return to_uint8((y - np.float32(16)) * np.float32(255 / 219))
    centred = [y - np.float32(16), chroma[0] - np.float32(128), chroma[1] - np.float32(128)]
    out = np.empty((*y.shape, 3), dtype=np.uint8)
    for channel, weights in enumerate(TO_RGB.astype(np.float32)):
        out[..., channel] = to_uint8(sum(w * plane for w, plane in zip(weights, centred, strict=True)))
    return out


def bicubic(planes: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """(C, H, W) enlarged by ``scale`` (Keys' a = -0.5)."""
    # antialias=True enlarging is a plain bicubic with a = -0.5; without it torch uses a = -0.75.
    tensor = torch.from_numpy(np.ascontiguousarray(planes))[None]
    return interpolate(tensor, scale_factor=scale, mode="bicubic", antialias=True)[0].numpy()


def bicubic_rows(read: Callable[[int, int], NDArray[np.float32]], rows: Piece, height: int, scale: int
                 ) -> NDArray[np.float32]:  # fmt: skip
    """``bicubic`` of the rows that ``rows`` wants, reading (C, rows, W) of an image ``height`` high."""
    first, last = max(0, rows.start - REACH), min(height, rows.stop + REACH)
    top = (rows.start - first) * scale
    return bicubic(read(first, last), scale)[:, top : top + (rows.stop - rows.start) * scale]


def to_uint8(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Rounded and clipped."""
    out: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return out
