"""What is hopeless, at the very edge; and how much quality still grows."""

from __future__ import annotations

import math

import pytest

from sweep.search.screening import Growth, Screened, growth, hopeless


def test_a_config_as_fast_as_one_that_will_stay_better_is_hopeless() -> None:
    expected = Growth(1.0, 0.5)
    assert hopeless(Screened(2.0, 27.0), [(2.0, 29.0)], expected)
    assert not hopeless(Screened(2.0, 27.5), [(2.0, 29.0)], expected), "it could become equal"
    assert not hopeless(Screened(2.0 + 1e-9, 27.0), [(2.0, 29.0)], expected), "nothing else is as fast"


def test_one_better_config_is_enough_and_none_is_hopeful() -> None:
    expected = Growth(1.0, 0.0)
    assert hopeless(Screened(2.0, 27.0), [(3.0, 20.0), (2.5, 29.0)], expected)
    assert not hopeless(Screened(2.0, 27.0), [], expected)
    assert not hopeless(Screened(2.0, 27.0), [(2.5, math.inf)], Growth(math.inf, 0.0))


def test_growth_is_the_median_and_the_largest_deviation_from_it() -> None:
    assert growth([(0.0, 1.0), (0.0, 2.0), (0.0, 4.0), (0.0, 8.0)]) == Growth(3.0, 5.0)
    assert growth([(5.0, 6.0), (0.0, 2.0), (0.0, 3.0), (0.0, 4.0), (0.0, 9.5)]) == Growth(3.0, 6.5)
    assert growth([(0.0, 1 / 3)] * 4) == Growth(0.333333, 0.0)
    assert growth([(0.0, 0.0)] * 4 + [(0.0, 0.12345678)]) == Growth(0.0, 0.123457)


@pytest.mark.parametrize("count", [0, 3])
def test_few_pairs_tell_nothing(count: int) -> None:
    assert math.isinf(growth([(0.0, 1.0)] * count).median)
