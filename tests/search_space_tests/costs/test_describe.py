from __future__ import annotations

import pytest

from search_space import parse_id
from search_space.config import Config
from search_space.costs.describe import Description, describe, measured

EXAMPLES = [
    "Bicubic_s2",
    "Bicubic_s3",
    "eSR-MAX_s3_K7_C4",
    "eSR-TM_s2_K5_C2",
    "eSR-TR_s2_K3_C3",
    "eSR-CNN_s2_C4_D0_S3",
    "eSR-CNN_s4_C2_D3_S6",
    "ESPCN_s2_D0_S3",
    "ESPCN_s3_D4_S12",
    "FSRCNN_s2_D6_S3_M1",
    "FSRCNN_s3_D6_S3_M4",
    "FSRCNN_s4_D19_S6_M0",
    "Linear_s3_K5",
    "ABPN_s2_D8_M2",
    "ESPCN-BR_s3_D4_S12",
    "ESPCN-BR_s4_D0_S6",
    "ECBSR_s2_D8_M2",
    "ECBSR_s4_D4_M0",
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_arithmetic_agrees_with_the_module(text: str) -> None:
    config = parse_id(text)
    assert describe(config) == measured(config)


def test_a_one_layer_net_is_counted_by_hand() -> None:
    # 5 x 5 taps, 2 maps x 4 templates x 4 phases; each low-resolution pixel of 960 x 540 needs all of them once.
    taps = 25 * 2 * 4 * 4
    assert describe(parse_id("eSR-TM_s2_K5_C4")) == Description(taps, taps * 960 * 540, 5)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [("ESPCN_s2_D22_S32", 8096), ("FSRCNN_s2_D56_S12_M4", 12644), ("eSR-CNN_s2_C4_D5_S9", 3136)],
)
def test_parameters_of_known_networks(text: str, parameters: int) -> None:
    assert describe(parse_id(text)).parameters == parameters


def test_a_family_without_arithmetic_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    config = parse_id("ABPN_s3_D6_M1")
    expected = describe(config)
    describe.cache_clear()
    monkeypatch.setattr(type(config), "convs", Config.convs)
    assert describe(config) == expected
    describe.cache_clear()


def test_measuring_leaves_the_random_generator_alone() -> None:
    import torch

    torch.manual_seed(5)
    first = torch.rand(3)
    torch.manual_seed(5)
    measured(parse_id("ESPCN_s2_D4_S6"))
    assert torch.equal(first, torch.rand(3))
