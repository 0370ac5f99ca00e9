from __future__ import annotations

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from paretoset import paretoset

from analysis.measures.frontier import Frontier, frontier, oriented

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


INF, NAN = float("inf"), float("nan")


def by_pairs(values: np.ndarray) -> set[int]:
    """Rows that no other row beats, more being better."""
    return {
        i
        for i, row in enumerate(values)
        if not np.isnan(row).any() and not ((values >= row).all(axis=1) & (values > row).any(axis=1)).any()
    }


@pytest.mark.parametrize(
    ("points", "members"),
    [
        ([[1, 3], [2, 2], [3, 1]], (2, 1, 0)),
        ([[1, 1], [2, 2], [3, 1]], (2, 1)),
        ([[2, 2], [2, 2], [1, 1]], (0, 1)),
        ([[2, 2], [2, 1], [1, 2]], (0,)),
        ([[1, 2], [2, 2], [2, 1]], (1,)),
        ([[3, 1], [2, 2], [3, 1], [2, 2], [2, 1.5]], (0, 2, 1, 3)),
        ([[2, 5], [1, 5], [1, 6], [1, 6]], (0, 2, 3)),
        ([[0, 0]], (0,)),
        ([[INF, 1], [1, INF], [1, 1], [-INF, -INF]], (0, 1)),
        ([[1, -INF], [2, -INF]], (1,)),
        ([[0, -INF], [-INF, 0], [-INF, -INF]], (0, 1)),
    ],
)
def test_members_of_two_objectives_come_best_first(points: list[list[float]], members: tuple[int, ...]) -> None:
    assert frontier(points) == Frontier(members, ())


def test_members_with_an_equal_first_objective_are_ordered_by_the_next() -> None:
    points = [[1, 1, 3], [1, 3, 1], [1, 2, 2], [2, 0, 0]]
    assert frontier(points).members == (3, 1, 2, 0)
    assert frontier([[1, 5, 3], [1, 5, 3], [0, 9, 9]]).members == (0, 1, 2)


def test_points_with_a_nan_are_excluded_and_the_others_keep_their_numbers() -> None:
    assert frontier([[NAN, 9], [1, 2], [9, NAN], [2, 1]]) == Frontier((3, 1), (0, 2))
    assert frontier([[NAN, 9], [NAN, NAN]]) == Frontier((), (0, 1))
    assert frontier([[NAN, 9, 1], [1, 2, 3]]) == Frontier((1,), (0,))


def test_less_is_better_where_it_is_said() -> None:
    points = [[1, 1], [2, 2], [3, 3]]
    assert frontier(points, False).members == (0,)
    assert frontier(points, (True, False)).members == (2, 1, 0)
    assert frontier(points, (False, True)).members == (0, 1, 2)
    assert oriented(points, (True, False)).tolist() == [[1, -1], [2, -2], [3, -3]]
    assert oriented(points).tolist() == points


def test_nothing_has_no_frontier_and_a_wrong_shape_is_refused() -> None:
    assert frontier([]) == Frontier((), ())
    assert oriented([]).shape == (0, 2)
    with pytest.raises(ValueError, match=r"^points must be rows of objectives, not 1-dimensional$"):
        frontier([1.0, 2.0])
    with pytest.raises(ValueError, match=r"^2 objectives, but maximise has 3 entries$"):
        frontier([[1.0, 2.0]], (True, True, False))


@pytest.mark.parametrize("objectives", [2, 3, 4])
@pytest.mark.parametrize("seed", range(6))
def test_members_are_those_that_no_pair_beats(objectives: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Few different values, so that there are ties of every kind.
    values = rng.integers(0, 5, (60, objectives)).astype(float)
    values[rng.random(60) < 0.05, 0] = NAN
    assert set(frontier(values).members) == by_pairs(values)


@pytest.mark.parametrize("kind", ["disc", "grid", "constant", "corner", "infinite", "front"])
def test_a_large_set_has_the_same_members(kind: str) -> None:
    rng = np.random.default_rng(1)
    count = 4200
    values = {
        "disc": rng.standard_normal((count, 2)) * (1000, 1e-3),
        "grid": rng.integers(0, 12, (count, 2)).astype(float),
        "constant": np.column_stack([np.full(count, 7.0), rng.integers(0, 9, count)]),
        "corner": np.column_stack([rng.random(count), rng.random(count)]) - 5,
        "infinite": np.vstack([rng.random((count, 2)), [[INF, 0.5], [0.5, INF], [-INF, 2.0]]]),
        "front": np.column_stack([np.arange(count), -np.arange(count)]).astype(float),
    }[kind]
    order = np.lexsort((-values[:, 1], -values[:, 0]))
    wanted, best = set(), None
    for i in order:
        x, y = values[i]
        if best is None or y > best[1] or (x, y) == best:
            wanted.add(int(i))
            best = (x, y)
    found = frontier(values)
    assert set(found.members) == wanted
    assert [tuple(values[i]) for i in found.members] == sorted((tuple(values[i]) for i in wanted), reverse=True)
