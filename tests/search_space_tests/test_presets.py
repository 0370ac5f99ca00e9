from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from search_space.errors import BadSpace
from search_space.presets import by_name
from search_space.registry import families
from search_space.spaces import load_space, select
from tests.search_space_tests.shared_material import published

SORTED_IDS_SHA256 = "d73000dd2e96e1bf7299f9b28dc7e1a1cc1f60b567b481e7954a8c7b30b1c2d7"


def ids(space: str) -> list[str]:
    return [config.id for config in load_space(space).configs]


def test_the_paper_space_has_exactly_the_published_ids() -> None:
    listed = published("ids.txt").read_text().split()
    assert sorted(ids("paper")) == sorted(listed)


def test_the_paper_space_has_1185_ids_of_a_known_digest() -> None:
    text = "".join(f"{name}\n" for name in sorted(ids("paper")))
    assert len(set(ids("paper"))) == 1185
    assert hashlib.sha256(text.encode()).hexdigest() == SORTED_IDS_SHA256


def test_the_paper_space_has_the_published_count_of_each_family() -> None:
    counts = Counter(config.family for config in load_space("paper").configs)
    one_layer = {"eSR-MAX": 144, "eSR-TM": 144, "eSR-TR": 144}
    assert counts == {"Bicubic": 3, **one_layer, "eSR-CNN": 300, "ESPCN": 300, "FSRCNN": 150}


def test_the_demo_has_every_family_of_the_paper_at_every_scale() -> None:
    demo = load_space("demo").configs
    assert len(demo) == 30
    assert set(demo) <= set(load_space("paper").configs)
    pairs = {(config.family, config.scale) for config in demo}
    assert pairs == {(config.family, config.scale) for config in load_space("paper").configs}


def test_the_extended_space_holds_the_paper_and_at_least_two_more_families() -> None:
    extended = load_space("extended").configs
    paper = load_space("paper").configs
    assert set(paper) < set(extended)
    assert {c.family for c in extended} - {c.family for c in paper} == {"Linear", "ABPN", "ESPCN-BR", "ECBSR"}


@pytest.mark.parametrize("family", ["Bicubic", "eSR-MAX", "eSR-TM", "eSR-TR", "eSR-CNN", "ESPCN", "FSRCNN", "ECBSR"])
def test_each_family_is_a_preset_in_either_spelling(family: str) -> None:
    expected = select(load_space("extended").configs, family=[family])
    assert load_space(family).configs == load_space(family.lower()).configs == expected


def test_every_family_has_a_preset() -> None:
    assert {name.lower() for name in families()} <= set(by_name())


def test_an_unknown_space_names_the_presets() -> None:
    with pytest.raises(BadSpace, match=r"unknown space 'papre'.*demo, paper, extended"):
        load_space("papre")
