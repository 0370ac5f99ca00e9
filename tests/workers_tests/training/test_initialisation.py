"""Where deep nets begin: what the start draws, and that small nets get away from it."""

from __future__ import annotations

import pytest
import torch

from search_space import parse_id
from workers.data.datasets import resolve
from workers.packs import Member, train_pack
from workers.quality.protocol import evaluate
from workers.training.initialisation import fit, pass_through
from workers.training.recipe import recipe_for
from workers.training.whitening import convs


@pytest.mark.slow
def test_small_espcns_do_not_stay_at_the_quality_of_a_one_layer_net():
    ids = ("ESPCN_s2_D3_S9", "ESPCN_s2_D6_S9", "ESPCN_s2_D8_S12", "eSR-MAX_s2_K7_C1")
    recipe = recipe_for("evening").with_changes(steps=1500, family_steps=(("ESPCN", 1500),))
    trained = train_pack([Member(parse_id(config)) for config in ids], recipe, resolve("embedded-train"))
    test = resolve("embedded-test")
    *deep, one_layer = (
        evaluate(parse_id(config), result.module, test, ("psnr",))[0].value
        for config, result in zip(ids, trained, strict=True)
    )
    assert min(deep) > one_layer + 0.1


def fitted(config: str) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The filters of the first layer before and after ``fit`` to random patches."""
    torch.manual_seed(0)
    module = parse_id(config).build()
    pass_through(module)
    layer = convs(module.net if config.startswith("ESPCN") else module.filter)[0]
    before = layer.weight.detach().flatten(1).clone()
    fit(module, torch.rand(4, 1, 16, 16), torch.rand(4, 1, 32, 32))
    return list(before), list(layer.weight.detach().flatten(1))


def parallel(a: torch.Tensor, b: torch.Tensor) -> bool:
    return abs(float(torch.cosine_similarity(a, b, dim=0))) > 1 - 1e-5


@pytest.mark.parametrize(("width", "drawn"), [(2, 1), (4, 2), (6, 3), (10, 5), (16, 11)])
def test_at_least_half_of_the_free_filters_of_an_espcn_stay_as_they_are_drawn(width, drawn):
    """After the one that carries the pixel; no more than s*s explain what the pixel leaves."""
    same = [parallel(a, b) for a, b in zip(*fitted(f"ESPCN_s2_D{width}_S9"), strict=True)]
    assert same == [True] + [False] * (width - 1 - drawn) + [True] * drawn


def test_filters_of_an_esr_cnn_are_drawn_on_white_inputs():
    before, after = fitted("eSR-CNN_s2_C2_D5_S9")
    same = [parallel(a, b) for a, b in zip(before, after, strict=True)]
    assert same == [True, False, False, False, False]
