"""How much quality differs from one training to the next, and how sure that makes a place on the frontier; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.measures.frontier import frontier

DRAWS = 1000
ALL = ""
"""In the place of a family: all families together."""


def pooled(groups: Iterable[Sequence[float]]) -> float | None:
    """Standard deviation within groups (the seeds of one config each); None where no group has two finite values.

    >>> round(pooled([[30.0, 30.2], [33.0, 33.2, 33.1], [35.0]]), 4)
    0.1155
    """
    squares, freedom = 0.0, 0
    for group in groups:
        values = np.asarray([value for value in group if math.isfinite(value)], dtype=np.float64)
        if len(values) > 1:
            squares += float(((values - values.mean()) ** 2).sum())
            freedom += len(values) - 1
    return math.sqrt(squares / freedom) if freedom else None


def standard_errors(spread: Mapping[str, float], families: Sequence[str], repeats: ArrayLike) -> NDArray[np.float64]:
    """Of the mean over ``repeats`` (N,) trainings: the spread of its family, or else that of all, over their root (N,).

    >>> standard_errors({"": 0.02, "eSR-TM": 0.001}, ["eSR-TM", "ESPCN"], [1, 4]).tolist()
    [0.001, 0.01]
    """
    sigma = np.asarray([spread.get(family, spread[ALL]) for family in families], dtype=np.float64)
    return np.asarray(sigma / np.sqrt(np.asarray(repeats, dtype=np.float64)))


def membership(
    points: ArrayLike, errors: ArrayLike, maximise: bool | Sequence[bool] = True, draws: int = DRAWS, seed: int = 0
) -> NDArray[np.float64]:
    """How often each of ``points`` (N, 2) is on the frontier when its second objective is drawn anew, as a share (N,).

    Drawn from a normal distribution around the point with the standard error of ``errors`` (N,), in the unit of the
    objective: what the frontier would be with other seeds, as far as those at hand can tell.

    >>> membership([[10, 33.0], [9, 33.0], [5, 32.0]], [0.1, 0.1, 0.0]).round(1).tolist()
    [1.0, 0.5, 0.0]
    """
    values, sigma = np.asarray(points, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    generator = np.random.default_rng(seed)
    hits = np.zeros(len(values))
    for _ in range(draws):
        drawn = np.column_stack([values[:, 0], values[:, 1] + sigma * generator.standard_normal(len(values))])
        hits[list(frontier(drawn, maximise).members)] += 1
    return hits / draws
