from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space import parse_id
from search_space.costs.describe import describe
from search_space.errors import BadSpace, SweepError
from search_space.filters import where
from search_space.spaces import load_space, select

PAPER = load_space("paper").configs


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("C<=8 and K==3", 3 * 3 * 8),
        ("scale == 4", 395),
        ("s in (2, 3)", 790),
        ("family == 'ESPCN'", 300),
        ("family != 'ESPCN'", 885),
        ("family in ('eSR-TM', 'eSR-TR') and K not in (3, 5)", 2 * 3 * 16),
        ("D * S < 10 and M == 4", 3),
        ("1 <= D <= 3 and C == 2", 3 * 2 * 5),
        ("not C <= 8", 3 * 3 * 3 * 8),
        ("C <= 8 or D >= 0", 3 * 3 * 3 * 8 + 300 + 300 + 150),
        ("-C < -15", 27),
        ("C % 2 == 0 and K == 7", 3 * 3 * 8),
        ("parameters < 100 and scale == 2 and family == 'eSR-MAX'", 2),
    ],
)
def test_an_expression_keeps_the_configs_it_says(text: str, count: int) -> None:
    assert len(select(PAPER, where=text)) == count


def test_a_config_without_the_field_does_not_match_either_way() -> None:
    espcn = parse_id("ESPCN_s2_D4_S12")
    assert not where("C <= 8")(espcn)
    assert not where("not C <= 8")(espcn)
    assert not where("C not in (1, 2)")(espcn)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("__import__('os').system('true')", "write comparisons"),
        ("C.__class__ == 3", "not a field, a number or a text"),
        ("(lambda: 1)() == 1", "not a field"),
        ("Q == 3", "unknown name 'Q'"),
        ("C == 9999999999999999", "larger than"),
        ("C == 1e400", "larger than"),
        ("C ** 99 == 3", "not a field"),
        ("C % 0 == 1", "zero|modulo"),
        ("C < 'x'", "cannot be compared"),
        ("family < 'x'", "cannot be compared"),
        ("C is None", "not a comparison|not a number"),
        ("C == True", "not a number"),
        ("C in 3", "write a list"),
        ("C", "write comparisons"),
        ("C = 3", "cannot be read"),
        ("", "cannot be read"),
        ("C == 3\x00", "cannot be read"),
        ("(" * 200 + "C" + ")" * 200, "cannot be read|too deep|write comparisons"),
        ("not " * 60 + "C == 3", "nested too deeply"),
        ("C == " + "-" * 300 + "3", "nested too deeply"),
        ("C == 3 or " * 100 + "C == 3", "characters"),
        ("f'{C}' == 'x'", "not a field"),
        ("[c for c in (1,)] == 3", "not a field"),
        ("(C := 3) == 3", "not a field"),
    ],
)
def test_an_expression_that_is_not_a_filter_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BadSpace, match=reason):
        select(PAPER, where=text)


PIECES = st.sampled_from(
    [
        "C",
        "K",
        "D",
        "family",
        "scale",
        "==",
        "<",
        "<=",
        "in",
        "not",
        "and",
        "or",
        "(",
        ")",
        ",",
        "'a'",
        "3",
        "1e9",
        "-",
        "+",
        "*",
        "%",
        "**",
        ".",
        "[",
        "]",
        "lambda",
        "if",
        ":",
        "macs",
        "0",
        "is",
        "~",
        "\\",
        "\n",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=14).map(" ".join)))
def test_junk_expressions_are_refused_and_never_crash(text: str) -> None:
    try:
        select(PAPER[::40], where=text)
    except SweepError as error:
        assert str(error)


def test_families_are_matched_in_either_spelling() -> None:
    assert len(select(PAPER, family=["espcn", "FSRCNN"], scale=[2])) == 150


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(BadSpace, match="unknown family 'VDSR'"):
        select(PAPER, family=["VDSR"])


def test_scale_5_is_refused() -> None:
    with pytest.raises(BadSpace, match="scale 5 is not possible"):
        select(PAPER, scale=[5])


def test_limit_keeps_the_first() -> None:
    assert select(PAPER, limit=7) == PAPER[:7]
    assert select(PAPER, limit=0) == ()


def test_a_sample_is_repeatable_and_differs_by_seed() -> None:
    once = select(PAPER, sample=50, seed=3)
    assert once == select(PAPER, sample=50, seed=3)
    assert once != select(PAPER, sample=50, seed=4)


@given(st.integers(0, 1300), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_a_sample_shares_fairly_over_families_and_scales(n: int, seed: int) -> None:
    chosen = select(PAPER, sample=n, seed=seed)
    assert len(chosen) == len(set(chosen)) == min(n, len(PAPER))
    whole = Counter((c.family, c.scale) for c in PAPER)
    got = Counter((c.family, c.scale) for c in chosen)
    for key, size in whole.items():
        assert abs(got[key] - min(n, len(PAPER)) * size / len(PAPER)) < 1


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
