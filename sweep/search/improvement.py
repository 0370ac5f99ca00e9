"""Expected hypervolume improvement of a trial. Pure; every axis is larger-is-better."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sweep.search.features import Array

Excess = Callable[[float], Array]
"""Of one axis: level -> (n,), each candidate's expected max(0, value - level)."""
MOST_CELLS = 20_000
"""Cells beyond which the growth of more than two axes is estimated by scalarisation instead."""


def excess_of_known(values: Array) -> Excess:
    """The excess of an axis on which every candidate's value is known."""
    return lambda level: np.maximum(values - level, 0.0)


def cells(front: Array) -> float:
    """About how many cells ``by_cells`` divides the region above a frontier (k, m) into."""
    k, m = front.shape
    return float(k ** (m - 1) / math.factorial(m - 1))


def by_cells(excess: Sequence[Excess], front: Array, reference: Array) -> Array:
    """(n,): expected growth of the hypervolume when the axes of a candidate are independent. Exact, for any number.

    The region that ``front`` (k, m) leaves undominated is cut into boxes along the axes' values at the frontier;
    a box's expected filled volume is the product over its axes of excess(lower) - excess(upper) (Yang et al., Efficient
    computation of expected hypervolume improvement, Journal of Global Optimization 2019).
    """
    return _Cells([_Levels(axis) for axis in excess], reference).growth(
        0, undominated(front[(front > reference).all(axis=1)])
    )


def undominated(points: Array) -> Array:
    """Those of the points (k, m) that no other point equals or exceeds on every axis; one of equal points."""
    return np.asarray(points[_best(points)])


@dataclass
class _Levels:
    """One axis's excess, kept for the levels that occur again."""

    excess: Excess
    _kept: dict[float, Array] = field(default_factory=dict)

    def at(self, level: float) -> Array:
        if level not in self._kept:
            self._kept[level] = self.excess(level)
        return self._kept[level]


@dataclass(frozen=True)
class _Cells:
    axes: Sequence[_Levels]
    reference: Array

    def growth(self, axis: int, front: Array) -> Array:
        """(n,): expected volume above ``front`` in the axes from ``axis`` on."""
        excess, lowest = self.axes[axis], float(self.reference[axis])
        if axis == len(self.axes) - 1:
            return excess.at(front[:, axis].max(initial=lowest))
        total: Array = np.zeros_like(excess.at(lowest))
        above, reached = total, front[:0]
        for level in [*np.unique(front[:, axis])[::-1].tolist(), lowest]:
            here = excess.at(level)
            total = total + (here - above) * self.growth(axis + 1, reached)
            above, reached = here, front[front[:, axis] >= level]
            reached = reached[_best(reached[:, axis + 1 :])]
        return total


def _best(points: Array) -> NDArray[np.int64]:
    """Indices of the undominated points, the first of equal ones."""
    covered = (points[:, None, :] <= points[None, :, :]).all(axis=2)
    first = np.arange(len(points))[:, None] <= np.arange(len(points))[None, :]
    return np.flatnonzero(~(covered & ~(covered.T & first)).any(axis=1))


def by_scalarisation(draws: Array, front: Array, reference: Array, rng: np.random.Generator, n: int = 64) -> Array:
    """(candidates,): expected growth of the hypervolume for any number of axes, up to a factor.

    ``draws`` (s, candidates, m) are possible outcomes, ``front`` (k, m). Hypervolume is the mean over directions
    of min_i(y_i / direction_i)^m (Zhang and Golovin, Random hypervolume scalarizations, ICML 2020).
    """
    m = len(reference)
    best = np.maximum(front.max(axis=0), draws.reshape(-1, m).max(axis=0))
    span = np.maximum(best - reference, 1e-9)
    directions = np.abs(rng.standard_normal((n, m))) + 1e-6
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    scaled_front = np.clip((front - reference) / span, 0.0, None)
    scaled = np.clip((draws - reference) / span, 0.0, None)
    growth = np.zeros(draws.shape[1])
    for direction in directions:
        reached = float((scaled_front / direction).min(axis=1).max()) ** m
        growth += np.maximum((scaled / direction).min(axis=2) ** m - reached, 0.0).mean(axis=0)
    return growth / n
