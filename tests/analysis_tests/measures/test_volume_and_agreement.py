"""Hypervolume and agreement, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.measures.agreement import Agreement, Overlap, agreement, overlap, ranks, spearman
from analysis.measures.hypervolume import grown, hypervolume, reference
from search_space.errors import BadData

NAN = float("nan")


def test_the_volume_is_above_the_reference_and_in_every_objective() -> None:
    assert hypervolume([[3, 2], [2, 4]], [1, 1]) == 2 * 1 + 1 * 2
    assert hypervolume([[3, 1], [1, 9]], [1, 1]) == 0.0
    assert hypervolume([[3, 2], [NAN, 9], [2, NAN]], [1, 1]) == 2.0
    assert hypervolume([], [1, 1]) == hypervolume([], [1, 1, 1]) == 0.0
    assert hypervolume([[2, 3, 4]], [1, 1, 1]) == 1 * 2 * 3


def test_the_volume_below_a_reference_counts_where_less_is_better() -> None:
    assert hypervolume([[1, 4]], [3, 9], False) == 2 * 5
    assert hypervolume([[5, 4]], [3, 9], (True, False)) == 2 * 5
    assert hypervolume([[5, 4]], [9, 3], (False, True)) == 4 * 1
    assert isinstance(hypervolume([[1, 4]], [3, 9], False), float)


def test_the_reference_is_the_worst_known_value_in_the_users_own_sign() -> None:
    points = [[30, 9.0], [60, 2.0], [NAN, 99.0], [1.0, NAN]]
    assert reference(points).tolist() == [30, 2]
    assert reference(points, False).tolist() == [60, 9]
    assert reference(points, (True, False)).tolist() == [30, 9]
    with pytest.raises(ValueError, match=r"^no complete point to take a reference from$"):
        reference([[NAN, 1.0]])


def test_the_volume_grows_with_each_point_that_enters_the_frontier() -> None:
    points = [[2, 2], [1, 1], [3, 1.5], [NAN, 9], [2, 2], [0, 9], [4, 4], [4, 4]]
    assert grown(points, [0, 0]).tolist() == [4, 4, 5.5, 5.5, 5.5, 5.5, 16, 16]
    assert grown([[NAN, 1], [2, 2], [0, 5]], [0, 0]).tolist() == [0, 4, 4]
    assert grown(points, [1, 1]).tolist() == [1, 1, 1.5, 1.5, 1.5, 1.5, 9, 9]


def test_growth_follows_the_directions_and_is_the_volume_of_the_points_so_far() -> None:
    points = np.array([[2.0, 8], [5, 5], [9, 1], [5, 4], [3, 3]])
    for maximise, floor in ((False, [10, 10]), ((True, False), [0, 10]), ((False, True), [10, 0]), (True, [0, 0])):
        found = grown(points, floor, maximise)
        assert found.tolist() == [hypervolume(points[: n + 1], floor, maximise) for n in range(5)]
    three = np.array([[1.0, 2, 3], [3, 2, 1], [2, 2, 2]])
    assert grown(three, [0, 0, 0]).tolist() == [hypervolume(three[: n + 1], [0, 0, 0]) for n in range(3)]
    assert grown([], [0, 0]).tolist() == []


def test_equal_values_share_their_mean_rank() -> None:
    assert ranks(np.array([5.0, 1, 5, 3, 5])).tolist() == [4, 1, 4, 2, 4]


def test_rank_correlation_by_hand() -> None:
    one = np.array([1.0, 2, 3, 4])
    assert spearman(one, one**3) == pytest.approx(1)
    assert spearman(one, -one) == pytest.approx(-1)
    assert spearman(one, np.array([2.0, 1, 4, 3])) == pytest.approx(0.6)
    assert spearman(one[:2], one[:2]) == pytest.approx(1)
    with np.errstate(all="raise"):
        assert np.isnan(spearman(one, np.ones(4))) and np.isnan(spearman(np.ones(4), one))


def test_agreement_is_of_second_minus_first_over_known_pairs() -> None:
    first = np.array([1.0, 2, 3, 4, NAN, 6])
    second = np.array([1.5, 2.0, 3.25, 1.0, 5, NAN])
    found = agreement(first, second)
    assert found == Agreement(4, pytest.approx(-0.2), 0.125, pytest.approx(0.3125 + 0.75), -3.0)


@pytest.mark.parametrize("count", [0, 2])
def test_two_pairs_are_too_few_and_three_are_enough(count: int) -> None:
    found = agreement(np.arange(count, dtype=float), np.arange(count, dtype=float))
    assert found.count == count
    assert np.isnan([found.spearman, found.median, found.spread, found.worst]).all()
    assert agreement(np.arange(3.0), np.arange(3.0) + 1) == Agreement(3, 1.0, 1.0, 0.0, 1.0)


COST = np.array([4.0, 3, 2, 1, NAN, 5])
FIRST = np.array([1.0, 2, 3, 0.5, 9, 0.5])
SECOND = np.array([1.0, 9, 0.5, 2, 9, NAN])


def test_frontiers_overlap_by_members_and_by_the_volume_of_choosing_by_the_other() -> None:
    found = overlap(COST, FIRST, SECOND)
    # Known in both: models 0 to 3. By the first 0, 1, 2 are on the frontier, by the second 0 and 1.
    assert (found.first, found.second, found.jaccard) == ((0, 1, 2), (0, 1), pytest.approx(2 / 3))
    floor = np.array([1 - 0.03, 0.5 - 0.025])
    points = np.column_stack([COST, FIRST])
    whole, part = (hypervolume(points[list(rows)], floor) for rows in (found.first, found.second))
    assert found.hypervolume_ratio == pytest.approx(part / whole) and part < whole


def test_the_floor_of_the_volume_follows_the_range_of_each_axis() -> None:
    small = overlap(COST / 1000, FIRST / 1000, SECOND / 1000)
    assert small.hypervolume_ratio == pytest.approx(overlap(COST, FIRST, SECOND).hypervolume_ratio)


def test_directions_turn_the_frontiers() -> None:
    found = overlap(-COST, FIRST, SECOND, (False, True))
    assert found.first == (0, 1, 2) and found.second == (0, 1)
    assert found.hypervolume_ratio == pytest.approx(overlap(COST, FIRST, SECOND).hypervolume_ratio)
    other = overlap(-COST, -FIRST, -SECOND, (False, False))
    assert (other.first, other.jaccard) == (found.first, found.jaccard)


def test_nothing_known_in_both_is_no_overlap() -> None:
    found = overlap(np.array([1.0, NAN]), np.array([NAN, 1.0]), np.array([1.0, 1.0]))
    assert (found.first, found.second) == ((), ())
    assert np.isnan(found.jaccard) and np.isnan(found.hypervolume_ratio)


def test_one_model_or_equal_costs_still_have_a_volume() -> None:
    assert overlap(np.array([2.0]), np.array([3.0]), np.array([4.0])) == Overlap((0,), (0,), 1.0, 1.0)
    same = overlap(np.array([2.0, 2.0]), np.array([3.0, 4.0]), np.array([4.0, 3.0]))
    assert (same.first, same.second, same.jaccard) == ((1,), (0,), 0.0)
    assert 0 < same.hypervolume_ratio < 0.05


@pytest.mark.parametrize(
    ("points", "floor"), [([[math.inf, 1]], [0, 0]), ([[2, 1]], [0, -math.inf]), ([[1, math.inf], [2, 2]], [0, 0])]
)
def test_an_endless_volume_is_refused_and_the_process_lives(points: list[list[float]], floor: list[float]) -> None:
    with pytest.raises(BadData, match="finite"):
        hypervolume(points, floor)


def test_a_point_below_by_an_infinity_adds_nothing() -> None:
    assert hypervolume([[-math.inf, 5], [2, 2]], [0, 0]) == 4
