from __future__ import annotations

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from analysis.measures.agreement import agreement, overlap, spearman
from analysis.measures.hypervolume import grown, hypervolume, reference
from analysis.measures.knee import knee

points = st.integers(1, 30).flatmap(lambda n: arrays(np.float64, (n, 2), elements=st.integers(0, 9).map(float)))


def test_the_hypervolume_of_boxes_by_hand() -> None:
    assert hypervolume([[2, 1], [1, 2]], [0, 0]) == 3
    assert hypervolume([[2, 1], [1, 2]], [3, 3], maximise=False) == 3
    assert hypervolume([[10, 5], [float("nan"), 9], [0, 9]], [0, 0]) == 50
    assert hypervolume([[1, 1]], [1, 0]) == 0
    assert hypervolume([[2, 3, 4]], [0, 1, 1]) == 12


@settings(deadline=None)
@given(points)
def test_the_hypervolume_is_that_of_the_library_and_grows_to_it(found: np.ndarray) -> None:
    whole = moocore.hypervolume(found, ref=[-1, -1], maximise=True)
    volumes = grown(found, [-1, -1])
    assert volumes[-1] == pytest.approx(whole) == pytest.approx(hypervolume(found, [-1, -1]))
    assert (np.diff(volumes) >= -1e-12).all()


def test_the_reference_is_the_worst_of_each_objective() -> None:
    assert reference([[1, 9], [5, 2], [np.nan, 0]], (True, False)).tolist() == [1, 9]
    with pytest.raises(ValueError, match="no complete point"):
        reference([[np.nan, 1]])


def test_the_knee_is_furthest_from_the_chord_and_else_the_best() -> None:
    assert knee([0, 8, 10], [10, 9, 0]) == 1
    assert knee([0, 5, 10], [10, 5, 0]) == 0
    assert knee([0, 1, 10], [10, 2, 0]) == 0
    assert knee([3], [4]) == 0
    assert knee([], []) is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30))
def test_rank_correlation_is_that_of_scipy_with_ties(pairs: list[tuple[int, int]]) -> None:
    a, b = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    if np.ptp(a) and np.ptp(b):
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    else:
        assert np.isnan(spearman(a, b))


def test_agreement_leaves_out_unknown_pairs() -> None:
    first, second = np.array([1.0, 2, 3, 4, np.nan]), np.array([1.5, 2.5, 3.5, 9.0, 1])
    found = agreement(first, second)
    assert (found.count, found.spearman, found.median, found.worst) == (4, 1.0, 0.5, 5.0)
    assert np.isnan(agreement(first[:2], second[:2]).median)


def test_equal_figures_share_the_whole_frontier_and_a_misleading_one_costs_volume() -> None:
    cost, quality = np.array([1.0, 2, 3, 4]), np.array([9.0, 8, 5, 1])
    same = overlap(cost, quality, quality)
    assert (same.jaccard, same.hypervolume_ratio) == (1, 1)
    misled = overlap(cost, quality, np.array([1.0, 1, 1, 9]))
    assert misled.second == (3,) and misled.jaccard == 0.25 and misled.hypervolume_ratio < 0.3
