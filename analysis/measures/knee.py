"""The knee of a frontier: where giving up more of one objective stops paying; pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def knee(x: ArrayLike, y: ArrayLike) -> int | None:
    """Index of the point furthest above the chord between the ends of a frontier; None without a point.

    ``x`` and ``y`` (N,) are both scaled to 0..1 first (take the logarithm of a speed before). With fewer than
    three distinct points, or none above the chord, it is the one with the best ``y`` (Branke et al., PPSN 2004,
    use the same distance).

    >>> knee([0, 8, 10], [10, 9, 0])
    1
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(xs) == 0:
        return None
    best = int(np.argmax(ys))
    spans = float(np.ptp(xs)), float(np.ptp(ys))
    if min(spans) == 0:
        return best
    u, v = (xs - xs.min()) / spans[0], (ys - ys.min()) / spans[1]
    left, right = int(np.argmin(u)), int(np.argmax(u))
    if left == right:
        return best
    slope = (v[right] - v[left]) / (u[right] - u[left])
    above = v - (v[left] + slope * (u - u[left]))
    top = int(np.argmax(above))
    return top if above[top] > 1e-12 else best
