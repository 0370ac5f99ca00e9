"""The Pareto frontier of points, for any number of objectives, by moocore; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

    A point is dominated when another is at least as good in every objective and better in one. Raises ValueError for
    a wrong shape.

    >>> frontier([[30, 33.0], [60, 31.0], [20, 32.0], [60, float("nan")]])
    Frontier(members=(1, 0), excluded=(3,))
    """
    values = oriented(points, maximise)
    if len(values) == 0:
        return Frontier((), ())
    unknown = np.isnan(values).any(axis=1)
    places = np.flatnonzero(~unknown)
    known = values[places] if unknown.any() else values
    members = places[_non_dominated(known)]
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


def _non_dominated(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """The rows (N, M) that no other dominates, larger is better; equal rows are all there."""
    import moocore

    if len(values) == 0:
        return np.empty(0, dtype=np.intp)
    if values.shape[1] == 1:
        return np.flatnonzero(values[:, 0] == values[:, 0].max())
    if not np.isfinite(values).all():
        # moocore (0.3.2) crashes on an infinite value; ranks have the same order and the same ties.
        values = np.column_stack([np.unique(column, return_inverse=True)[1] for column in values.T]).astype(np.float64)
    return np.flatnonzero(moocore.is_nondominated(values, maximise=True, keep_weakly=True))
