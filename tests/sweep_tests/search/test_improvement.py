"""Expected growth of a hypervolume on frontiers small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.search.axis import Axis
from sweep.search.hypervolume import hypervolume
from sweep.search.improvement import by_cells, by_scalarisation, cells, excess_of_known, undominated
from sweep.search.surrogate import Posterior
from sweep.search.warp import Identity, Warp

FRONT = np.array([[2.0, 1.0], [1.0, 3.0], [0.5, 0.5]])
REFERENCE = np.array([-1.0, -2.0])


def test_area_counts_from_the_reference_and_not_what_lies_below_it() -> None:
    # 3 x 3 up to the first level, then 2 x 2 above it.
    assert hypervolume(FRONT, REFERENCE) == 3 * 3 + 2 * 2
    assert hypervolume(np.array([[-1.0, 5.0], [5.0, -2.0], [-3.0, -3.0]]), REFERENCE) == 0.0
    assert hypervolume(np.array([[1.0, 1.0], [1.0, 2.0]]), np.zeros(2)) == 2.0
    assert hypervolume(np.array([[-1.5, 5.0]]), REFERENCE) == 0.0


def added(front: np.ndarray, point: object, reference: np.ndarray = REFERENCE) -> float:
    return hypervolume(np.vstack([front, point]), reference) - hypervolume(front, reference)


def growth(points: np.ndarray, front: np.ndarray, reference: np.ndarray = REFERENCE) -> list[float]:
    """Of candidates whose values are known."""
    return by_cells([excess_of_known(column) for column in points.T], front, reference).tolist()


@pytest.mark.parametrize("point", [(3.0, 0.0), (1.5, 2.0), (0.0, 9.0), (0.5, 0.5), (-2.0, 9.0), (2.0, 1.0), (9.0, 9.0)])
def test_the_growth_by_a_known_point_is_the_area_it_adds(point: tuple[float, float]) -> None:
    assert growth(np.array([point, (-9.0, -9.0)]), FRONT) == pytest.approx([added(FRONT, point), 0.0])


def test_a_point_of_the_frontier_below_the_reference_changes_nothing() -> None:
    points = np.array([(0.0, 9.0), (1.5, 2.0)])
    assert growth(points, np.vstack([FRONT, (-1.5, 9.0)])) == growth(points, FRONT)


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(0, 9), st.booleans())
def test_the_growth_by_known_points_is_the_volume_they_add(seed: int, axes: int, trials: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    front, points = (np.round(rng.uniform(0, 1, (n, axes)), 1 if ties else 9) for n in (trials, 5))
    reference = np.full(axes, 0.15)
    expected = [added(front, point, reference) for point in points]
    assert growth(points, front, reference) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_only_points_that_nothing_exceeds_are_undominated(seed: int, ties: bool) -> None:
    points = np.round(np.random.default_rng(seed).uniform(0, 1, (12, 3)), 1 if ties else 9)
    kept = undominated(points)
    assert hypervolume(kept, np.zeros(3)) == pytest.approx(hypervolume(points, np.zeros(3)))
    for i, point in enumerate(kept):
        assert not (np.delete(kept, i, axis=0) >= point).all(axis=1).any()


def belief(rng: np.random.Generator, n: int) -> Posterior:
    """Of two kernels, and wide."""
    return Posterior(np.array([0.3, 0.7]), rng.normal(0.8, 0.3, (2, n)), np.full((2, n), 0.2), Identity())


def test_growth_with_axes_that_are_believed_agrees_with_drawing_outcomes() -> None:
    rng = np.random.default_rng(0)
    front, reference, nan = rng.uniform(0, 1, (6, 3)), np.zeros(3), np.full(3, np.nan)
    some = np.array([0.9, np.nan, 0.4])
    axes = [Axis(np.array([0.5, 0.8, 1.1])), Axis(some, belief(rng, 3)), Axis(nan, belief(rng, 3))]
    exact = by_cells([axis.excess for axis in axes], front, reference)
    drawn = np.stack([axis.sample(rng, 4000) for axis in axes], axis=2)
    assert (drawn[:, 0, 1] == 0.9).all(), "a known value is not drawn"
    for i in range(3):
        assert exact[i] == pytest.approx(np.mean([added(front, point, reference) for point in drawn[:, i]]), rel=0.1)


def test_the_probability_above_a_level_is_the_share_of_draws_above_it() -> None:
    rng = np.random.default_rng(1)
    axis = Axis(np.array([0.9, np.nan, 0.4]), belief(rng, 3))
    share = (axis.sample(rng, 20_000) >= 0.7).mean(axis=0)
    assert axis.above(0.7).tolist() == pytest.approx(share.tolist(), abs=0.02)
    assert axis.above(0.7)[[0, 2]].tolist() == [1.0, 0.0]
    warped = Posterior(np.ones(1), np.array([[0.5, 1.0]]), np.full((1, 2), 0.4), Warp(30.0, 2.0))
    share = (warped.sample(rng, 20_000) >= 28.7).mean(axis=0)
    assert warped.probability_above(28.7).tolist() == pytest.approx(share.tolist(), abs=0.02)
    assert warped.probability_above(30.0).tolist() == [0.0, 0.0]


def test_a_frontier_in_any_order_gives_the_same_growth() -> None:
    points = np.array([[3.0, 0.5], [1.5, 2.0]])
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        assert growth(points, FRONT[order]) == pytest.approx(growth(points, FRONT))


def test_a_frontier_on_more_axes_has_more_cells() -> None:
    assert [cells(np.zeros((30, m))) for m in (2, 3, 4)] == [30.0, 450.0, 4500.0]


@pytest.mark.parametrize("unit", [1.0, 0.01])
def test_scalarised_growth_follows_the_formula_of_zhang_and_golovin(unit: float) -> None:
    front, reference = np.array([[1.0, 2.0, 4.0], [2.0, 1.0, 1.0]]), np.array([0.5, 0.0, 0.25])
    draws = np.array([[[3.0, 3.0, 3.5], [0.1, 0.1, 0.1]], [[1.0, 2.5, 2.0], [0.1, 0.1, 0.1]]])
    found = by_scalarisation(unit * draws, unit * front, unit * reference, np.random.default_rng(3), n=16)
    rng = np.random.default_rng(3)
    directions = np.abs(rng.standard_normal((16, 3))) + 1e-6
    best = np.array([3.0, 3.0, 4.0])
    growth = np.zeros(2)
    for direction in directions:
        way = direction / np.sqrt((direction**2).sum())

        def reached(point: np.ndarray, way: np.ndarray = way) -> float:
            return float(max(0.0, min((point - reference) / (best - reference) / way)) ** 3)

        level = max(reached(point) for point in front)
        for candidate in range(2):
            growth[candidate] += sum(max(0.0, reached(draw[candidate]) - level) for draw in draws) / 2
    assert found.tolist() == pytest.approx((growth / 16).tolist())
    assert found[0] > 0 and found[1] == 0


def test_outcomes_and_a_frontier_below_the_reference_count_nothing() -> None:
    reference, rng = np.ones(4), np.random.default_rng(0)
    below = np.array([[[0.5] * 4, [2.0] * 4]])
    nothing, something = by_scalarisation(below, np.full((1, 4), 1.1), reference, rng)
    assert nothing == 0 and something > 0
    high = by_scalarisation(np.full((1, 1, 3), 2.0), np.zeros((1, 3)), np.ones(3), np.random.default_rng(0))
    none = by_scalarisation(np.full((1, 1, 3), 2.0), np.ones((1, 3)), np.ones(3), np.random.default_rng(0))
    assert high == pytest.approx(none)


def test_sixty_four_directions_are_drawn_unless_told_otherwise() -> None:
    front, reference, draws = np.ones((1, 3)), np.zeros(3), np.full((1, 1, 3), 2.0)
    usual = by_scalarisation(draws, front, reference, np.random.default_rng(0))
    assert usual == by_scalarisation(draws, front, reference, np.random.default_rng(0), n=64)
    assert usual != by_scalarisation(draws, front, reference, np.random.default_rng(0), n=65)


def test_an_axis_on_which_nothing_differs_gives_finite_growth() -> None:
    front, reference, draws = np.array([[1.0, 0.0, 1.0]]), np.zeros(3), np.array([[[2.0, 0.0, 2.0]]])
    assert np.isfinite(by_scalarisation(draws, front, reference, np.random.default_rng(0))).all()
