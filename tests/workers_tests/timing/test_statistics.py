"""Numbers out of times, by hand."""

from __future__ import annotations

import pytest

from workers.timing.statistics import Summary, is_steady, quantile, summarise, ties


def test_a_summary_has_median_quartiles_minimum_and_count_in_any_order() -> None:
    assert summarise([5.0, 1.0, 9.0, 3.0]) == Summary(4.0, 6.0 - 2.5, 1.0, 4)
    assert summarise([7.0]) == Summary(7.0, 0.0, 7.0, 1)
    with pytest.raises(ValueError, match=r"^no times to summarise$"):
        summarise([])


@pytest.mark.parametrize(("q", "value"), [(0.0, 1.0), (0.25, 2.5), (0.5, 4.0), (0.9, 7.8), (1.0, 9.0)])
def test_a_quantile_is_interpolated_between_its_neighbours(q: float, value: float) -> None:
    assert quantile([1.0, 3.0, 5.0, 9.0], q) == pytest.approx(value)


def test_the_interval_is_that_of_mcgill_tukey_and_larsen() -> None:
    low, high = Summary(10.0, 2.0, 8.0, 4).interval
    assert (low, high) == (pytest.approx(8.43), pytest.approx(11.57))


@pytest.mark.parametrize(
    ("seconds", "steady"),
    [
        ([1.0, 1.0], False),
        ([1.0, 1.0, 1.0], True),
        ([2.0, 2.05, 2.1], True),
        ([2.0, 2.0, 2.11], False),
        ([2.11, 2.0, 2.0], False),
        ([9.0, 2.0, 2.05, 2.0], True),
        ([2.0, 2.0, 2.0, 9.0], False),
        ([20.0, 21.0, 20.5], True),
    ],
)
def test_times_are_steady_when_the_last_three_lie_within_a_twentieth_of_their_median(
    seconds: list[float], steady: bool
) -> None:
    assert is_steady(seconds) is steady


def test_the_window_and_the_spread_can_be_others() -> None:
    assert is_steady([9.0, 1.0, 1.4], window=2, spread=0.5)
    assert not is_steady([9.0, 1.0, 1.4], window=2)
    assert is_steady([1.0, 1.0, 1.5], spread=0.5), "the limit itself is steady"
    assert not is_steady([1.0, 1.0, 1.0], window=4)


def test_intervals_that_touch_are_tied_and_names_keep_the_given_order() -> None:
    given = {"z": (4.0, 5.0), "b": (1.0, 2.0), "a": (2.0, 4.0), "c": (5.1, 6.0)}
    assert ties(given) == {"z": ("a",), "b": ("a",), "a": ("z", "b"), "c": ()}


def test_a_wide_interval_is_tied_with_all_it_covers_and_those_not_with_each_other() -> None:
    given = {"wide": (0.0, 10.0), "one": (1.0, 2.0), "two": (3.0, 4.0), "out": (11.0, 12.0)}
    assert ties(given) == {"wide": ("one", "two"), "one": ("wide",), "two": ("wide",), "out": ()}
    assert ties({}) == {}
