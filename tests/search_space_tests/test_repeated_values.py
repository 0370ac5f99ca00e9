"""Grids written in Python: what is not a set of combinations is refused with the field at fault."""

from __future__ import annotations

import pytest

from search_space.errors import BadSpace
from search_space.grids import grid


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"K": (3, 3)}, "eSR-TM: K = 3 is listed twice"),
        ({"K": (3, 5), "C": (1, 2, 1)}, "eSR-TM: C = 1 is listed twice"),
        ({"K": (3,), "scale": (2, 4, 2)}, "eSR-TM: scale = 2 is listed twice"),
        ({"K": ()}, "the list of K is empty"),
    ],
)
def test_a_repeated_or_missing_value_is_refused(values: dict[str, tuple[int, ...]], said: str) -> None:
    with pytest.raises(BadSpace, match=said):
        grid("eSR-TM", **{"C": (1,), **values})


def test_values_that_differ_make_each_combination_once() -> None:
    made = grid("eSR-TM", K=(3, 5), C=(1, 2))
    assert (made.size, len(set(made.configs()))) == (12, 12)
