"""Bicubic values at any places along an axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

A = -0.5


def resample(plane: NDArray[np.float32], count: int, first: float, step: float, axis: int) -> NDArray[np.float32]:
    """``count`` values of ``plane`` (H, W) at ``first``, ``first + step``, ... samples along ``axis``.

    Keys' cubic convolution, a = -0.5; beyond the edge lies the edge. For steps up to 1: nothing is low-passed.

    >>> import numpy as np
    >>> resample(np.array([[0, 1, 2, 3, 4]], np.float32), 3, 1.0, 0.5, axis=1).tolist()
    [[1.0, 1.5, 2.0]]
    """
    places = first + step * np.arange(count)
    left = np.floor(places).astype(int)
    shape = [1, 1]
    shape[axis] = count
    out = np.zeros([count if axis == i else plane.shape[i] for i in range(2)], np.float32)
    for tap in range(-1, 3):
        weight = _cubic(np.abs(places - left - tap)).astype(np.float32).reshape(shape)
        out += weight * plane.take(np.clip(left + tap, 0, plane.shape[axis] - 1), axis)
    return out


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    near = (A + 2) * x**3 - (A + 3) * x**2 + 1
    far = A * x**3 - 5 * A * x**2 + 8 * A * x - 4 * A
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
