"""The dominated hypervolume. Pure; every axis is larger-is-better."""

from __future__ import annotations

import numpy as np

from sweep.search.features import Array


def hypervolume(points: Array, reference: Array) -> float:
    """The volume that (n, m) points dominate over a reference point (m,); points not above it add nothing.

    >>> hypervolume(np.array([[2.0, 1.0], [1.0, 3.0], [1.0, 1.0]]), np.zeros(2))
    4.0
    """
    if not len(points):
        return 0.0
    if points.shape[1] != 2:
        import moocore

        return float(moocore.hypervolume(-points, ref=-reference))
    total, level = 0.0, reference[1]
    for x, y in points[np.argsort(-points[:, 0], kind="stable")]:
        if x > reference[0] and y > level:
            total += (x - reference[0]) * (y - level)
            level = y
    return float(total)
