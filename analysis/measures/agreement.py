"""How far two measurements of the same models agree: ranks, residuals, frontiers, hypervolume; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.measures.frontier import frontier, oriented
from analysis.measures.hypervolume import hypervolume

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Two values per model, N models; ``residual`` is second - first."""

    count: int
    spearman: float
    median: float
    spread: float
    """Interquartile range of the residuals."""
    worst: float
    """The residual of largest size."""


def agreement(first: Array, second: Array) -> Agreement:
    """Agreement of ``first`` and ``second`` (N,), pairs with a NaN left out; all NaN for fewer than 3 pairs."""
    complete = ~(np.isnan(first) | np.isnan(second))
    a, b = first[complete], second[complete]
    if len(a) < 3:
        return Agreement(len(a), np.nan, np.nan, np.nan, np.nan)
    residual = b - a
    low, high = np.percentile(residual, [25, 75])
    worst = float(residual[np.argmax(np.abs(residual))])
    return Agreement(len(a), spearman(a, b), float(np.median(residual)), float(high - low), worst)


def spearman(a: Array, b: Array) -> float:
    """Spearman's rank correlation with mean ranks for ties; NaN when one side is constant."""
    ra, rb = ranks(a), ranks(b)
    ra, rb = ra - ra.mean(), rb - rb.mean()
    size = float(np.sqrt((ra**2).sum() * (rb**2).sum()))
    return float((ra * rb).sum() / size) if size > 0 else float("nan")


def ranks(values: Array) -> Array:
    """Ranks from 1, equal values sharing their mean rank.

    >>> ranks(np.array([30.0, 10.0, 30.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Array = (last - (counts - 1) / 2)[place]
    return mean


@dataclass(frozen=True)
class Overlap:
    """Two frontiers over the same costs."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    jaccard: float
    """Shared members over all members."""
    hypervolume_ratio: float
    """Volume of the second models' frontier, valued by the first measurements, over that of the first's frontier.

    Says what choosing by the second measurements costs: 1 is nothing.
    """


def overlap(cost: Array, first: Array, second: Array, maximise: Sequence[bool] = (True, True)) -> Overlap:
    """The frontiers of (cost, first) and (cost, second) over N models; rows with a NaN are in neither."""
    points = np.column_stack([cost, first])
    known = ~(np.isnan(points).any(axis=1) | np.isnan(second))
    a = set(np.flatnonzero(known)[list(frontier(points[known], maximise).members)].tolist())
    others = np.column_stack([cost, second])[known]
    b = set(np.flatnonzero(known)[list(frontier(others, maximise).members)].tolist())
    if not a:
        return Overlap((), (), float("nan"), float("nan"))
    values = oriented(points[known], maximise)
    # A reference a little below the worst, so that the worst corner counts too.
    floor = values.min(axis=0) - 0.01 * np.maximum(np.ptp(values, axis=0), 1e-12)
    every = oriented(points, maximise)
    whole = hypervolume(every[sorted(a)], floor)
    part = hypervolume(every[sorted(b)], floor)
    return Overlap(tuple(sorted(a)), tuple(sorted(b)), len(a & b) / len(a | b), part / whole if whole else float("nan"))
