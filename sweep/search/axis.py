"""One axis of the objectives or constraints over n candidates: known, believed, or known for some of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sweep.search.features import Array
from sweep.search.surrogate import Posterior


@dataclass(frozen=True)
class Axis:
    """Values of n candidates, larger is better."""

    known: Array
    """(n,): NaN where a value is not known."""
    belief: Posterior | None = None
    """What a model expects of the same candidates; None where all are known."""

    def excess(self, level: float) -> Array:
        """(n,): the expected value of max(0, value - level)."""
        known = np.maximum(self.known - level, 0.0)
        return known if self.belief is None else self._told(known, self.belief.expected_excess(level))

    def above(self, level: float) -> Array:
        """(n,): the probability that the value is at least ``level``."""
        known = (self.known >= level).astype(float)
        return known if self.belief is None else self._told(known, self.belief.probability_above(level))

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """(n, candidates): independent draws of each candidate's value."""
        known = np.repeat(self.known[None], n, axis=0)
        return known if self.belief is None else self._told(known, self.belief.sample(rng, n))

    def _told(self, known: Array, believed: Array) -> Array:
        return np.where(np.isfinite(self.known), known, believed)
