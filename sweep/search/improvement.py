"""Expected hypervolume improvement of a trial. Pure; every axis is larger-is-better."""

from __future__ import annotations

import numpy as np

from sweep.search.features import Array
from sweep.search.surrogate import Posterior


def with_one_known(known: Array, unknown: Posterior, front: Array, reference: Array) -> Array:
    """(n,): expected growth of a two-axis hypervolume where axis 0 of each candidate is known. Exact.

    ``front`` (k, 2) are the trials so far, axis 0 the known one. The frontier is a
    staircase, so the growth is the sum over its steps of their width times the expected excess over their level.
    """
    edges, levels = _stairs(front, reference)
    growth = np.zeros(len(known))
    for upper, lower, level in zip(edges, edges[1:], levels, strict=False):
        width = np.clip(np.minimum(known, upper) - lower, 0.0, None)
        inside = np.flatnonzero(width)
        if len(inside):
            growth[inside] += width[inside] * unknown.of(inside).expected_excess(level)
    return growth


def by_outcomes(draws: Array, front: Array, reference: Array) -> Array:
    """(candidates,): mean growth of a two-axis hypervolume over outcomes (s, candidates, 2)."""
    edges, levels = _stairs(front, reference)
    x, y = draws[:, :, 0], draws[:, :, 1]
    growth = np.zeros(x.shape)
    for upper, lower, level in zip(edges, edges[1:], levels, strict=False):
        growth += np.clip(np.minimum(x, upper) - lower, 0.0, None) * np.clip(y - level, 0.0, None)
    return np.asarray(growth.mean(axis=0))


def _stairs(front: Array, reference: Array) -> tuple[list[float], list[float]]:
    """The frontier as a staircase: edges of axis 0 from infinity down to the reference, and the level between them."""
    edges, levels = [np.inf], [float(reference[1])]
    for x, y in front[np.argsort(-front[:, 0], kind="stable")]:
        if x > reference[0] and y > levels[-1]:
            edges.append(float(x))
            levels.append(float(y))
    edges.append(float(reference[0]))
    return edges, levels


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
