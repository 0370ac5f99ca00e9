"""A grid of a family: its order, its size, its draws, and what it refuses where."""

from __future__ import annotations

import random

import pytest

from search_space import parse_id
from search_space.config import SCALES
from search_space.errors import BadSpace
from search_space.grids import Grid, Part, grid, make_grid


def refused(call: object) -> str:
    with pytest.raises(BadSpace) as caught:
        call()  # type: ignore[operator]
    return str(caught.value)


def test_the_last_field_turns_fastest_and_the_size_is_the_product() -> None:
    made = grid("eSR-TM", scale=(2, 3), K=(3, 5), C=range(1, 3))
    assert made.size == 8
    assert [config.id for config in made.configs()][:3] == ["eSR-TM_s2_K3_C1", "eSR-TM_s2_K3_C2", "eSR-TM_s2_K5_C1"]
    assert len(list(made.configs())) == 8
    assert made.axes == (("scale", (2, 3)), ("K", (3, 5)), ("C", (1, 2)))


def test_a_grid_has_every_scale_unless_it_says_otherwise_and_fields_in_the_order_of_the_id() -> None:
    made = grid("eSR-TM", C=(1,), K=(3,))
    assert made.axes == (("scale", tuple(SCALES)), ("K", (3,)), ("C", (1,)))
    assert (made.family, made.origin, made.lines) == ("eSR-TM", "", None)


def test_names_that_do_not_fit_are_refused_by_name() -> None:
    assert refused(lambda: grid("eSR-TM", K=(3,), C=(1,), Q=(1,))) == (
        "eSR-TM has no field 'Q' (its fields: scale, K, C)"
    )
    assert refused(lambda: grid("eSR-TM")) == "eSR-TM needs values for K, C"
    assert refused(lambda: grid("eSR-TM", K=(), C=(1,))) == "eSR-TM: the list of K is empty"
    assert "unknown family 'Nobody'" in refused(lambda: grid("Nobody"))


def test_a_refusal_of_a_grid_from_a_file_begins_with_its_place() -> None:
    values = {"scale": (2,), "K": (3,), "C": (1,)}
    for change, said in (
        ({"Q": (1,)}, "s.yaml:4: eSR-TM has no field 'Q' (its fields: scale, K, C)"),
        ({"K": ()}, "s.yaml:4: eSR-TM: the list of K is empty"),
    ):
        assert refused(lambda change=change: make_grid("eSR-TM", values | change, "s.yaml:4")) == said
    assert refused(lambda: make_grid("eSR-TM", {"scale": (2,)}, "s.yaml:4")) == "s.yaml:4: eSR-TM needs values for K, C"
    assert refused(lambda: make_grid("Nobody", values, "s.yaml:4")).startswith("s.yaml:4: unknown family 'Nobody'")


def test_a_grid_keeps_where_it_was_written() -> None:
    lines = {("K", 3): 7}
    made = make_grid("eSR-TM", {"K": (3,), "scale": (2,), "C": (1,)}, "s.yaml:4", lines)
    assert made == Grid("eSR-TM", (("scale", (2,)), ("K", (3,)), ("C", (1,))), "s.yaml:4", lines)


@pytest.mark.parametrize(
    ("origin", "lines", "place"),
    [
        ("", None, ""),
        ("s.yaml:4", None, "s.yaml:4: "),
        ("s.yaml:4", {("K", 4): 9}, "s.yaml:9: "),
        ("c:s.yaml:4", {("K", 4): 9}, "c:s.yaml:9: "),
        ("s.yaml:4", {("K", 3): 9}, "s.yaml:4: "),
    ],
)
def test_a_value_that_is_not_possible_is_refused_at_its_line(
    origin: str, lines: dict[tuple[str, int], int] | None, place: str
) -> None:
    made = make_grid("eSR-TM", {"scale": (2,), "K": (3, 4), "C": (1,)}, origin, lines)
    said = f"{place}eSR-TM: K = 4 is not possible"
    assert refused(made.check).startswith(said)
    assert refused(lambda: list(made.configs())).startswith(said)


def test_every_value_is_checked_beside_the_first_of_the_other_fields() -> None:
    assert refused(grid("eSR-TM", scale=(2, 5), K=(3,), C=(1,)).check).startswith("eSR-TM: scale = 5")
    assert refused(grid("eSR-TM", scale=(2,), K=(3,), C=(1, 0)).check).startswith("eSR-TM: C = 0")
    grid("eSR-TM", scale=(2, 3), K=(3, 5), C=(1, 2)).check()


def test_a_draw_is_one_of_the_combinations_and_reaches_all_of_them() -> None:
    made = grid("eSR-TM", scale=(2,), K=(3, 5), C=(1, 2))
    drawn = {made.draw(random.Random(seed)).id for seed in range(60)}
    assert drawn == {config.id for config in made.configs()}


def test_a_part_has_the_size_of_its_grid_or_of_its_list() -> None:
    assert Part(grid("eSR-TM", scale=(2,), K=(3, 5), C=(1,))).size == 2
    assert Part(configs=(parse_id("Bicubic_s2"),) * 3).size == 3
    assert Part().size == 0
