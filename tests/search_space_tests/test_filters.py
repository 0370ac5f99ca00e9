from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space import parse_id
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
