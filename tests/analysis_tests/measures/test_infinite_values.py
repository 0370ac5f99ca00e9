"""A frontier with infinite values, on which the library that finds it crashes when it is given them as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis.measures.frontier import frontier

VALUES = st.sampled_from([-np.inf, -2.0, 0.0, -0.0, 1.0, 3.5, np.inf, np.nan])


def reference(points: np.ndarray) -> set[int]:
    """By the definition: no other row is at least as good everywhere and better somewhere."""
    known = [i for i, row in enumerate(points) if not np.isnan(row).any()]
    return {
        i for i in known
        if not any((points[k] >= points[i]).all() and (points[k] > points[i]).any() for k in known)
    }  # fmt: skip


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_the_members_are_those_of_the_definition(columns: int) -> None:
    @settings(deadline=None, max_examples=200)
    @given(st.integers(1, 12).flatmap(lambda rows: arrays(np.float64, (rows, columns), elements=VALUES)))
    def holds(points: np.ndarray) -> None:
        found = frontier(points)
        assert set(found.members) == reference(points)
        assert set(found.excluded) == set(np.flatnonzero(np.isnan(points).any(axis=1)).tolist())

    holds()
