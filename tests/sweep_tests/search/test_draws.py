"""Draws follow the weights they are given."""

from __future__ import annotations

import numpy as np
import pytest

from search_space.grids import Part, grid
from search_space.spaces import Space
from sweep.search.surrogate import Posterior
from sweep.search.warp import Identity


def test_a_beliefs_outcomes_come_from_its_components_by_their_weights() -> None:
    belief = Posterior(np.array([0.9, 0.1]), np.array([[0.0, 5.0], [100.0, 50.0]]), np.full((2, 2), 0.1), Identity())
    drawn = belief.sample(np.random.default_rng(0), 4000)
    assert drawn.shape == (4000, 2)
    assert (drawn[:, 0] > 50).mean() == pytest.approx(0.1, abs=0.02)
    assert drawn[:, 1].mean() == pytest.approx(0.9 * 5 + 0.1 * 50, rel=0.1)
    assert drawn[drawn[:, 0] < 50, 0].std() == pytest.approx(0.1, rel=0.1)
    assert ((drawn[:, 0] > 50) == (drawn[:, 1] > 25)).all(), "one component gives a whole draw"


def test_a_large_space_is_sampled_in_proportion_to_its_parts() -> None:
    large = grid("ESPCN", scale=(2,), D=tuple(range(1, 65)), S=tuple(range(1, 65)))
    small = grid("ESPCN", scale=(3,), D=tuple(range(1, 33)), S=tuple(range(1, 33)))
    sample = Space("two", (Part(large), Part(small))).draw(400, 1)
    assert len(sample) == 400
    assert sum(config.scale == 3 for config in sample) == pytest.approx(80, abs=25)
