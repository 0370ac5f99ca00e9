"""What ``--where`` refuses and how it says so; how deep it reads; what it makes of each name."""

from __future__ import annotations

import pytest

from search_space import parse_id
from search_space.describe import describe
from search_space.errors import BadSpace
from search_space.filters import where

TM = parse_id("eSR-TM_s2_K5_C4")
KNOWN = "C, D, K, M, S, family, macs, parameters, s, scale"


def refused(text: str) -> str:
    with pytest.raises(BadSpace) as caught:
        where(text)(TM)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("C", "write comparisons such as C<=8, joined by and, or, not"),
        ("C is 3", "Is is not a comparison that can be used here"),
        ("C + 'a' < 3", "'a' is a text, not a number"),
        ("'a' + C < 3", "'a' is a text, not a number"),
        ("-family == 3", "'eSR-TM' is a text, not a number"),
        ("C in 3", "after 'in' write a list such as (3, 5)"),
        ("C < len(family)", "'len(family)' is not a field, a number or a text"),
        (f"C < f({'x' * 60})", f"'f({'x' * 38}' is not a field, a number or a text"),
        ("C < True", "True is not a number or a text"),
        ("C < None", "None is not a number or a text"),
        ("C < 1e16", "a number is larger than 1e+15"),
        ("C < 'a'", "4 and 'a' cannot be compared that way"),
        ("family < 'a'", "'eSR-TM' and 'a' cannot be compared that way"),
        ("family in ('a', 3)", "'eSR-TM' and 3 cannot be compared that way"),
        ("C % 0 == 1", "integer modulo by zero"),
        ("Z < 3", f"unknown name 'Z' (known: {KNOWN})"),
    ],
)
def test_a_refusal_names_the_expression_and_the_reason(text: str, reason: str) -> None:
    assert refused(text).startswith(f"--where {text!r}: {reason}")


def test_names_that_are_known_are_the_fields_of_all_families() -> None:
    told = refused("Z < 3")
    assert told.endswith(")") and "(known: " in told
    names = told.split("(known: ")[1][:-1].split(", ")
    assert names == sorted(names)
    assert {"C", "D", "K", "S", "M", "family", "macs", "parameters", "s", "scale"} <= set(names)


def test_an_expression_may_have_500_characters_and_not_one_more() -> None:
    text = "C<=8" + " " * 496
    assert where(text)(TM)
    assert refused(text + " ") == "--where: the expression has 501 characters (at most 500)"


def test_syntax_that_python_cannot_read_is_told_with_its_reason() -> None:
    assert refused("C <") == "--where 'C <': cannot be read (invalid syntax)"
    assert refused("C < 3\0") == "--where 'C < 3\\x00': cannot be read (source code string cannot contain null bytes)"
    assert where("  C < 8  ")(TM), "blanks around it do not matter"


def nested(kind: str, depth: int) -> str:
    """An expression whose innermost part is ``depth`` parts deep."""
    if kind == "not":
        return "not " * depth + "C<0"
    if kind == "and":
        return "(0<C and " * depth + "0<C" + ")" * depth
    if kind == "minus":
        return "-" * depth + "C<99"
    if kind == "minus right":
        return "99>" + "-" * depth + "C"
    if kind == "in":
        return "C in (1, " + "-" * depth + "4)"
    if kind == "left sum":
        return "(" * depth + "C" + "+1)" * depth + "<99"
    return "1+(" * depth + "C" + ")" * depth + "<99"


@pytest.mark.parametrize(
    ("kind", "most"),
    [("not", 39), ("and", 39), ("minus", 39), ("minus right", 39), ("in", 39), ("left sum", 39), ("right sum", 39)],
)
def test_parts_may_lie_forty_deep_and_not_deeper(kind: str, most: int) -> None:
    assert where(nested(kind, most))(TM) in (True, False)
    assert refused(nested(kind, most + 1)).endswith(": nested too deeply")


def test_the_largest_number_is_itself_allowed() -> None:
    assert where("C < 1000000000000000")(TM) and where("C > -1000000000000000")(TM)
    assert "larger than 1e+15" in refused("C < 1000000000000001")


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("parameters == 800", True),
        ("macs > 9999999", True),
        ("macs == parameters", False),
        ("scale == 2 and s == 2", True),
        ("family == 'eSR-TM'", True),
        ("family != 'eSR-TM'", False),
        ("C - 1 == 3 and C * 2 == 8 and C % 3 == 1 and C + 1 == 5", True),
        ("2 < C < 5", True),
        ("2 < C < 4", False),
        ("C not in (1, 2)", True),
        ("C not in (1, 4)", False),
        ("C in [1, 4]", True),
        ("C > 4", False),
        ("C >= 4", True),
        ("C < 4", False),
        ("C <= 4", True),
        ("-C == -4", True),
        # Unknown fields: D and S are not the family's.
        ("D < 3", False),
        ("not D < 3", False),
        ("D < 3 or C == 4", True),
        ("C == 4 or D < 3", True),
        ("D < 3 and C == 5", False),
        ("not (D < 3 and C == 5)", True),
        ("not (C == 5 and D < 3)", True),
        ("not (D < 3 or C == 5)", False),
        ("D in (1, 2)", False),
        ("D not in (1, 2)", False),
        ("C not in (D, 4)", False),
        ("not (C in (D, 5))", False),
        ("-D < 3 or D + 1 < 3 or 1 + D < 3", False),
        ("not (-D < 3)", False),
        ("not (D + 1 < 3)", False),
        ("not (C + D < 3)", False),
        ("not (3 < D)", False),
    ],
)
def test_an_expression_matches_by_kleenes_logic(text: str, matches: bool) -> None:
    assert where(text)(TM) is matches


def test_macs_are_those_of_a_full_hd_frame() -> None:
    about = describe(TM)
    assert where(f"macs == {about.macs_full_hd} and parameters == {about.parameters}")(TM)
    assert about.macs_full_hd != about.parameters
