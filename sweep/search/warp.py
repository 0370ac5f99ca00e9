"""Quality saturates with cost: a warp that makes it about linear in the logarithm of cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from sweep.search.features import Array


@dataclass(frozen=True)
class Warp:
    """z = -log((top - y) / unit): distance to a ceiling just above the best value seen, on a log scale.

    Loss falls as a power of a network's cost, so z is about linear in log cost; and an outlier far below the others (a
    failed training) influences the fit of its neighbours less.
    """

    top: float
    unit: float

    @staticmethod
    def of(values: Array, slack: float = 0.25) -> Warp:
        """The ceiling lies ``slack`` times the spread of the better values above the best."""
        unit = slack * float(np.percentile(values, 90) - np.percentile(values, 25)) + 1e-6
        return Warp(float(values.max()) + unit, unit)

    def do(self, values: Array) -> Array:
        """Warped values; defined below the ceiling."""
        out: Array = -np.log((self.top - values) / self.unit)
        return out

    def undo(self, warped: Array) -> Array:
        """The inverse of ``do``."""
        out: Array = self.top - self.unit * np.exp(-warped)
        return out

    def expected_excess(self, mean: Array, sd: Array, level: float) -> Array:
        """E[max(0, y - level)] for warped Gaussians: the expectation of a log-normal, in closed form."""
        room = self.top - level
        if room <= 0:
            return np.zeros_like(mean)
        t = (np.log(room / self.unit) + mean) / sd
        excess = room * ndtr(t) - self.unit * np.exp(-mean + sd**2 / 2) * ndtr(t - sd)
        out: Array = np.maximum(excess, 0.0)
        return out

    def probability_above(self, mean: Array, sd: Array, level: float) -> Array:
        """P(y >= level) for warped Gaussians."""
        if level >= self.top:
            return np.zeros_like(mean)
        out: Array = ndtr((mean + np.log((self.top - level) / self.unit)) / sd)
        return out


@dataclass(frozen=True)
class Identity:
    """No warp: the logarithm of speed is about linear already."""

    def do(self, values: Array) -> Array:
        """The values themselves."""
        return values

    def undo(self, warped: Array) -> Array:
        """The values themselves."""
        return warped

    def expected_excess(self, mean: Array, sd: Array, level: float) -> Array:
        """E[max(0, y - level)] of a Gaussian."""
        t = (mean - level) / sd
        out: Array = sd * (t * ndtr(t) + np.exp(-t * t / 2) / np.sqrt(2 * np.pi))
        return out

    def probability_above(self, mean: Array, sd: Array, level: float) -> Array:
        """P(y >= level) of a Gaussian."""
        out: Array = ndtr((mean - level) / sd)
        return out
