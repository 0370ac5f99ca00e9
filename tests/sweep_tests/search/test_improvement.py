"""Expected growth of a hypervolume on frontiers small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sweep.search.hypervolume import hypervolume
from sweep.search.improvement import by_outcomes, by_scalarisation, with_one_known
from sweep.search.surrogate import Posterior
from sweep.search.warp import Identity

FRONT = np.array([[2.0, 1.0], [1.0, 3.0], [0.5, 0.5]])
REFERENCE = np.array([-1.0, -2.0])


def test_area_counts_from_the_reference_and_not_what_lies_below_it() -> None:
    # 3 x 3 up to the first level, then 2 x 2 above it.
    assert hypervolume(FRONT, REFERENCE) == 3 * 3 + 2 * 2
    assert hypervolume(np.array([[-1.0, 5.0], [5.0, -2.0], [-3.0, -3.0]]), REFERENCE) == 0.0
    assert hypervolume(np.array([[1.0, 1.0], [1.0, 2.0]]), np.zeros(2)) == 2.0
    assert hypervolume(np.array([[-1.5, 5.0]]), REFERENCE) == 0.0


@pytest.mark.parametrize("point", [(3.0, 0.0), (1.5, 2.0), (0.0, 9.0), (0.5, 0.5), (-2.0, 9.0), (2.0, 1.0), (9.0, 9.0)])
def test_the_growth_of_one_outcome_is_the_area_it_adds(point: tuple[float, float]) -> None:
    added = hypervolume(np.vstack([FRONT, point]), REFERENCE) - hypervolume(FRONT, REFERENCE)
    draws = np.array([[point, (-9.0, -9.0)]])
    assert by_outcomes(draws, FRONT, REFERENCE).tolist() == pytest.approx([added, 0.0])


def test_a_point_of_the_frontier_below_the_reference_changes_nothing() -> None:
    more = np.vstack([FRONT, (-1.5, 9.0)])
    draws = np.array([[(0.0, 9.0), (1.5, 2.0)]])
    assert by_outcomes(draws, more, REFERENCE).tolist() == by_outcomes(draws, FRONT, REFERENCE).tolist()


def test_growth_over_outcomes_is_their_mean() -> None:
    draws = np.array([[[3.0, 3.0]], [[0.0, 9.0]]])
    each = [hypervolume(np.vstack([FRONT, draw[0]]), REFERENCE) - hypervolume(FRONT, REFERENCE) for draw in draws]
    assert by_outcomes(draws, FRONT, REFERENCE).tolist() == pytest.approx([sum(each) / 2])


def certain(*values: float) -> Posterior:
    """A belief that is nearly sure of its values."""
    return Posterior(np.array([1.0]), np.array([values]), np.full((1, len(values)), 1e-9), Identity())


def test_growth_with_one_known_axis_is_the_area_added_where_the_other_is_nearly_certain() -> None:
    known, unknown = np.array([3.0, 1.5, 0.0, -2.0]), (0.0, 2.0, 9.0, 9.0)
    expected = [
        hypervolume(np.vstack([FRONT, (x, y)]), REFERENCE) - hypervolume(FRONT, REFERENCE)
        for x, y in zip(known, unknown, strict=True)
    ]
    found = with_one_known(known, certain(*unknown), FRONT, REFERENCE)
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_a_frontier_in_any_order_gives_the_same_growth() -> None:
    known = np.array([3.0, 1.5])
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        found = with_one_known(known, certain(0.5, 2.0), FRONT[order], REFERENCE)
        assert found.tolist() == pytest.approx(with_one_known(known, certain(0.5, 2.0), FRONT, REFERENCE).tolist())


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
