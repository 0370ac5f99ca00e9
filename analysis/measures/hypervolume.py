"""How much a set of points covers: the hypervolume, by moocore, and ratios of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.measures.frontier import frontier, oriented
from search_space.errors import BadData


def hypervolume(points: ArrayLike, reference: ArrayLike, maximise: bool | Sequence[bool] = True) -> float:
    """The volume that ``points`` (N, M) dominate above ``reference`` (M,), in the product of the objectives' units.

    Points that do not beat the reference in every objective, and points with a NaN, add nothing. Raises BadData where
    a volume would be endless: for an infinity in the reference, or in a point that beats it.

    >>> hypervolume([[2, 1], [1, 2]], [0, 0])
    3.0
    """
    import moocore

    values = oriented(points, maximise)
    floor = oriented([np.asarray(reference, dtype=np.float64)], maximise)[0]
    values = values[~np.isnan(values).any(axis=1)]
    values = values[(values > floor).all(axis=1)] if len(values) else values
    if len(values) == 0:
        return 0.0
    if not (np.isfinite(values).all() and np.isfinite(floor).all()):
        # moocore (0.3.2) ends the whole process on one.
        raise BadData("a hypervolume wants finite numbers: leave out the models with an infinite value")
    return float(moocore.hypervolume(values, ref=floor, maximise=True))


def reference(points: ArrayLike, maximise: bool | Sequence[bool] = True) -> NDArray[np.float64]:
    """The worst known value of each objective (M,): what ratios are taken against when nothing better is agreed.

    >>> reference([[30, 9.0], [60, 2.0]], (True, False)).tolist()
    [30.0, 9.0]
    """
    values = oriented(points, maximise)
    known = values[~np.isnan(values).any(axis=1)]
    if len(known) == 0:
        raise ValueError("no complete point to take a reference from")
    worst: NDArray[np.float64] = oriented([known.min(axis=0)], maximise)[0]
    return worst


def grown(points: ArrayLike, reference: ArrayLike, maximise: bool | Sequence[bool] = True) -> NDArray[np.float64]:
    """The hypervolume after each of ``points`` (N, M) in turn: (N,).

    It never falls but by rounding (1 part in 10^15): each volume is a sum over the frontier of that moment. Only points
    that enter the frontier change it, so the volume is computed once for each of those.
    """
    values = oriented(points, maximise)
    floor = oriented([np.asarray(reference, dtype=np.float64)], maximise)[0]
    volumes = np.zeros(len(values))
    front = np.empty((0, values.shape[1] if len(values) else 2))
    volume = 0.0
    for i, point in enumerate(values):
        enters = not np.isnan(point).any() and bool((point > floor).all())
        if enters and not (front >= point).all(axis=1).any():
            candidates = np.vstack([front, point])
            front = candidates[list(frontier(candidates).members)]
            volume = hypervolume(front, floor)
        volumes[i] = volume
    return volumes
