from __future__ import annotations

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from paretoset import paretoset

from analysis.measures.frontier import frontier

# Few distinct values, so that ties and repeats are the rule.
values = st.integers(-4, 4).map(float)


def points(columns: int, elements: st.SearchStrategy[float] = values) -> st.SearchStrategy[np.ndarray]:
    return st.integers(1, 40).flatmap(lambda rows: arrays(np.float64, (rows, columns), elements=elements))


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_the_members_are_those_of_two_other_libraries(columns: int) -> None:
    @settings(deadline=None)
    @given(points(columns), st.lists(st.booleans(), min_size=columns, max_size=columns))
    def holds(found: np.ndarray, maximise: list[bool]) -> None:
        ours = set(frontier(found, maximise).members)
        if columns > 1:
            theirs = moocore.is_nondominated(found, maximise=maximise, keep_weakly=True)
            assert ours == set(np.flatnonzero(theirs))
        senses = ["max" if more else "min" for more in maximise]
        assert ours == set(np.flatnonzero(paretoset(found, sense=senses, distinct=False)))

    holds()


@pytest.mark.parametrize("columns", [2, 3])
def test_many_random_points_give_the_members_of_another_library(columns: int) -> None:
    for seed, spread in ((0, 1e9), (1, 50), (2, 4)):
        found = np.round(np.random.default_rng(seed).random((20_000, columns)) * spread)
        theirs = np.flatnonzero(moocore.is_nondominated(found, maximise=True, keep_weakly=True))
        assert sorted(frontier(found).members) == theirs.tolist()


@settings(deadline=None)
@given(points(2), st.randoms())
def test_the_order_of_the_points_does_not_matter(found: np.ndarray, random: object) -> None:
    order = np.arange(len(found))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert {int(order[i]) for i in frontier(found[order]).members} == set(frontier(found).members)


@settings(deadline=None)
@given(points(3))
def test_a_point_off_the_frontier_is_beaten_by_one_on_it(found: np.ndarray) -> None:
    members = list(frontier(found).members)
    for i in set(range(len(found))) - set(members):
        better = (found[members] >= found[i]).all(axis=1) & (found[members] > found[i]).any(axis=1)
        assert better.any()


@settings(deadline=None)
@given(points(2, st.one_of(values, st.just(float("nan")))))
def test_points_with_nan_are_listed_and_never_members(found: np.ndarray) -> None:
    result = frontier(found)
    unknown = np.isnan(found).any(axis=1)
    assert result.excluded == tuple(np.flatnonzero(unknown))
    assert set(result.members).isdisjoint(result.excluded)
    known = np.flatnonzero(~unknown)
    if len(known):
        assert {int(known[i]) for i in frontier(found[known]).members} == set(result.members)


def test_members_come_best_first_and_equal_points_are_all_there() -> None:
    assert frontier([[1, 3], [3, 1], [2, 2], [3, 1], [1, 1]]).members == (1, 3, 2, 0)


def test_infinite_values_are_ordinary_values() -> None:
    assert frontier([[np.inf, 0], [0, np.inf], [1, 1], [-np.inf, 5]]).members == (0, 2, 1)


def test_no_points_have_an_empty_frontier() -> None:
    assert frontier([]).members == ()
    assert frontier([[np.nan, 1]]).excluded == (0,)


def test_a_wrong_number_of_directions_is_refused() -> None:
    with pytest.raises(ValueError, match="2 objectives"):
        frontier([[1, 2]], [True, False, True])
