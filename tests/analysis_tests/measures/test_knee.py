"""The knee lies above the chord between the ends, by the distance from it in scaled axes."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.measures.knee import knee


def test_a_point_below_the_chord_is_no_knee_however_far_it_is() -> None:
    assert knee([0, 2, 8, 10], [10, 1, 4, 0]) == 2
    assert knee([0, 2, 10], [10, 1, 0]) == 0


def test_the_distance_is_taken_from_the_chord_and_not_from_an_axis() -> None:
    # The third is highest after the first, the second is furthest above the line from (0, 8) to (10, 0).
    assert knee([0, 6, 1, 10], [8.0, 7.0, 7.9, 0.0]) == 1
    # A rising chord: lower points can be further above it.
    assert knee([0, 2, 9, 10], [0.0, 6.0, 9.9, 10.0]) == 1


def test_both_axes_are_scaled_and_may_begin_anywhere() -> None:
    x, y = np.array([0.0, 2.0, 5.0, 10.0]), np.array([10.0, 9.5, 6.0, 0.0])
    assert knee(x, y) == knee(1000 + 50 * x, -3 + y / 7) == 1
    x, y = np.array([100.0, 102.0, 109.0, 110.0]), np.array([40.0, 39.9, 38.9, 30.0])
    assert knee(x, y) == 2


def test_spans_of_one_and_half_precision_are_as_good_as_any() -> None:
    assert knee([0, 0.8, 1], [10, 9, 0]) == 1
    assert knee([0, 8, 10], [1, 0.9, 0]) == 1
    wide = np.array([-60000, 50000, 60000], dtype=np.float16)
    assert knee(wide, [10, 9, 0]) == 1, "a span beyond half precision does not overflow"
    assert knee([0, 8, 10], wide[::-1]) == 1


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_the_order_of_the_points_does_not_matter(order: list[int]) -> None:
    x, y = np.array([0.0, 4.0, 8.0, 10.0]), np.array([10.0, 9.0, 7.0, 0.0])
    found = knee(x[order], y[order])
    assert found is not None and order[found] == 2


def test_without_a_point_above_the_chord_the_best_quality_is_taken() -> None:
    assert knee([0, 5, 10], [0, 5, 10]) == 2
    assert knee([0, 5, 10], [10, 5, 0]) == 0
    assert knee([0, 5, 10], [10, 5 + 1e-13, 0]) == 0, "rounding is no knee"
    assert knee([0, 5, 10], [10, 5 + 1e-9, 0]) == 1


def test_points_on_one_line_of_an_axis_have_no_chord() -> None:
    assert knee([3, 3, 3], [1, 5, 2]) == 1
    assert knee([1, 2, 3], [4, 4, 4]) == 0
    assert knee([], []) is None
    assert knee([1, 2], [3, 4]) == 1
