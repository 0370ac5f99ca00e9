"""The Pareto frontier of points, for any number of objectives; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Frontier:
    """Which points nothing else beats."""

    members: tuple[int, ...]
    """Indices of the points that are not dominated, best first in the first objective. Equal points are all there."""
    excluded: tuple[int, ...]
    """Indices of the points with a NaN, which nothing can be said about; never members."""


def frontier(points: ArrayLike, maximise: bool | Sequence[bool] = True) -> Frontier:
    """The non-dominated rows of ``points`` (N, M), M objectives; ``maximise`` says of each whether more is better.

    A point is dominated when another is at least as good in every objective and better in one. Two objectives
    take one sort, O(N log N); more take a cull that is fast while the frontier is small. Raises ValueError for a
    wrong shape.

    >>> frontier([[30, 33.0], [60, 31.0], [20, 32.0], [60, float("nan")]])
    Frontier(members=(1, 0), excluded=(3,))
    """
    values = oriented(points, maximise)
    if len(values) == 0:
        return Frontier((), ())
    unknown = np.isnan(values).any(axis=1)
    places = np.flatnonzero(~unknown)
    known = values[places] if unknown.any() else values
    inside = _two(known) if known.shape[1] == 2 else _many(known)
    members = places[inside]
    order = np.lexsort(tuple(-values[members, column] for column in reversed(range(values.shape[1]))))
    return Frontier(tuple(members[order].tolist()), tuple(np.flatnonzero(unknown).tolist()))


def oriented(points: ArrayLike, maximise: bool | Sequence[bool] = True) -> NDArray[np.float64]:
    """``points`` as floats (N, M) with the sign turned where less is better, so that more is better everywhere."""
    values = np.asarray(points, dtype=np.float64)
    if values.size == 0:
        return np.empty((0, 2))
    if values.ndim != 2:
        raise ValueError(f"points must be rows of objectives, not {values.ndim}-dimensional")
    flags = [maximise] * values.shape[1] if isinstance(maximise, bool) else list(maximise)
    if len(flags) != values.shape[1]:
        raise ValueError(f"{values.shape[1]} objectives, but maximise has {len(flags)} entries")
    return values if all(flags) else values * np.where(flags, 1.0, -1.0)


def _two(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows (N, 2) not dominated: go from the best x down and keep each new best y (and equals of it)."""
    if len(values) == 0:
        return np.empty(0, dtype=np.intp)
    candidates = _not_obviously_beaten(values)
    x, y = values[candidates, 0], values[candidates, 1]
    order = np.lexsort((-y, -x))
    x, y = x[order], y[order]
    best_before = np.empty_like(y)
    best_before[0] = -np.inf
    np.maximum.accumulate(y[:-1], out=best_before[1:])
    new = y > best_before
    new[0] = True
    # An equal of the newest member comes directly after it in this order.
    newest = np.maximum.accumulate(np.where(new, np.arange(len(y)), 0))
    keep = new | ((x == x[newest]) & (y == y[newest]))
    return np.asarray(candidates[order[keep]])


def _not_obviously_beaten(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows that one good point does not dominate: a linear pass that usually leaves little to sort."""
    lowest, highest = values.min(axis=0), values.max(axis=0)
    span = highest - lowest
    if len(values) < 4096 or not np.isfinite(span).all():
        return np.arange(len(values))
    keep = np.ones(len(values), dtype=bool)
    for weight in (0.5, 0.2, 0.8):
        share = np.array([weight, 1 - weight]) / np.where(span > 0, span, 1.0)
        pivot = values[np.argmax(values @ share)]
        keep &= (values[:, 0] > pivot[0]) | (values[:, 1] > pivot[1]) | (values == pivot).all(axis=1)
    return np.flatnonzero(keep)


def _many(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows (N, M) not dominated: take the most promising left, drop all that it beats, until none is left."""
    order = np.argsort(-_ranks(values).sum(axis=1), kind="stable")
    left, members = values[order], []
    while len(order):
        pivot = left[0]
        members.append(order[0])
        same = (left == pivot).all(axis=1)
        same[0] = False
        members.extend(order[same])
        better_somewhere = (left > pivot).any(axis=1)
        order, left = order[better_somewhere], left[better_somewhere]
    return np.sort(np.asarray(members, dtype=np.intp))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dense rank of each value in its column. A dominated point has a smaller sum than the one above it."""
    out: NDArray[Any] = np.empty(values.shape)
    for column in range(values.shape[1]):
        out[:, column] = np.unique(values[:, column], return_inverse=True)[1]
    return out
