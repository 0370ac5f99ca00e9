from __future__ import annotations

import contextlib
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space import config_id, parse_id
from search_space.config import Config
from search_space.errors import BadConfig, SweepError
from search_space.registry import families
from search_space.spaces import load_space


@st.composite
def configs(draw: st.DrawFn) -> Config:
    cls = draw(st.sampled_from(list(families().values())))
    odd = st.integers(0, 7).map(lambda n: 2 * n + 1)
    values = {f.name: draw(odd if f.name == "K" else st.integers(1, 32)) for f in fields(cls) if f.name != "scale"}
    return cls(scale=draw(st.sampled_from((2, 3, 4))), **values)


@given(configs())
def test_an_id_names_its_config(config: Config) -> None:
    assert parse_id(config_id(config)) == config


def test_every_extended_id_round_trips() -> None:
    for config in load_space("extended").configs:
        assert parse_id(config.id) == config


ID_LIKE = st.one_of(
    st.text(max_size=60),
    st.from_regex(r"[A-Za-z-]{1,8}_s[0-9]{1,3}(_[A-Z][0-9]{1,6}){0,4}", fullmatch=True),
    st.from_regex(r"(eSR-TM|ESPCN|FSRCNN|Bicubic)_s[0-9](_[KCDSM]-?[0-9]{1,6}){0,4}", fullmatch=True),
)


@settings(max_examples=300)
@given(ID_LIKE)
def test_junk_ids_are_refused_and_never_crash(text: str) -> None:
    with contextlib.suppress(SweepError):
        assert parse_id(text).id == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("eSR-TM_s5_K5_C4", "scale = 5 is not possible"),
        ("eSR-TM_s2_K4_C4", "K = 4 is not possible"),
        ("eSR-XX_s2_K5_C4", "unknown family 'eSR-XX'"),
        ("eSR-TM_s2_K5", "wrong fields"),
        ("eSR-TM_s2_C4_K5", "wrong fields"),
        ("eSR-TM_s2_K5_C4_D1", "wrong fields"),
        ("eSR-TM_s2_K5_C04", "write eSR-TM_s2_K5_C4"),
        ("eSR-TM_s2_K5_C0", "C = 0 is not possible"),
        ("eSR-TM_s2_K5_C4\n", "not a config id"),
        ("eSR-TM_s٢_K5_C4", "not a config id"),
        ("FSRCNN_s2_D0_S1_M1", "D = 0 is not possible"),
        ("", "not a config id"),
    ],
)
def test_a_bad_id_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(BadConfig, match=reason):
        parse_id(text)


@pytest.mark.parametrize("value", [True, 3.0, "3", None])
def test_a_field_must_be_a_plain_integer(value: object) -> None:
    with pytest.raises(BadConfig, match="must be a whole number"):
        families()["ESPCN"](scale=2, D=value, S=3)  # type: ignore[call-arg]
