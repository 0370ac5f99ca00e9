"""While the full sweep is in progress, nothing that decides its numbers may change (zoo/in-progress/README.md)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from search_space import parse_id
from workers.training.code_digest import code_of
from workers.training.recipe import recipe_for

PAGE = Path(__file__).parents[3] / "zoo" / "in-progress" / "README.md"
ONE_OF = {
    "eSR-MAX": "eSR-MAX_s2_K3_C1",
    "eSR-TM": "eSR-TM_s3_K5_C2",
    "eSR-TR": "eSR-TR_s4_K7_C3",
    "ESPCN": "ESPCN_s2_D0_S3",
    "eSR-CNN": "eSR-CNN_s3_C2_D1_S3",
    "FSRCNN": "FSRCNN_s4_D6_S1_M1",
    "Bicubic": "Bicubic_s2",
}


@pytest.mark.skipif(not PAGE.exists(), reason="the full sweep is whole: its keys need no guard any more")
def test_the_code_and_the_recipe_of_the_full_sweep_are_as_they_were_when_it_began() -> None:
    text = PAGE.read_text(encoding="utf-8")
    stored = dict(re.findall(r"^\| (\S+) \| ([0-9a-f]{12}) \|$", text, flags=re.M))
    assert {family: code_of(parse_id(config)) for family, config in ONE_OF.items()} == stored
    assert f"the recipe's digest is {recipe_for('evening').digest}" in text
