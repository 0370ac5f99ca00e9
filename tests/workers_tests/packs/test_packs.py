"""A pack's members come out as if each had been trained alone, compiled or in torch operations."""

from __future__ import annotations

import pytest
import torch

from search_space import parse_id
from workers.data.datasets import resolve
from workers.packs import Member, train_pack
from workers.packs.compiled import library, why_not
from workers.training.recipe import recipe_for
from workers.training.train import Trained, train

# The large epsilon keeps Adam from blowing up the rounding of gradients that are nearly zero.
RECIPE = recipe_for("smoke").with_changes(steps=31, eps=1e-6)
FAMILIES = {
    "one-layer": ("eSR-MAX_s2_K7_C3", "eSR-TM_s2_K3_C4", "eSR-TM_s2_K5_C1", "eSR-TR_s2_K5_C2", "Linear_s2_K3"),
    "ESPCN": ("ESPCN_s3_D3_S9", "ESPCN_s3_D0_S3", "ESPCN_s3_D12_S6"),
    "eSR-CNN": ("eSR-CNN_s4_C2_D3_S6", "eSR-CNN_s4_C4_D0_S3", "eSR-CNN_s4_C4_D5_S9"),
    "FSRCNN": ("FSRCNN_s3_D6_S3_M1", "FSRCNN_s3_D19_S6_M4", "FSRCNN_s3_D8_S1_M1"),
    "FSRCNN, other scales": ("FSRCNN_s2_D6_S3_M1", "FSRCNN_s4_D6_S2_M1"),
    "others": ("ABPN_s2_D4_M1", "ESPCN_s2_D2_S3"),
}
COMPILED = pytest.param(
    True, marks=pytest.mark.skipif(library() is None, reason=why_not() or "compiled"), id="compiled"
)
WAYS = pytest.mark.parametrize("compiled", [COMPILED, pytest.param(False, id="torch")])


@pytest.fixture(scope="module")
def photographs():
    return resolve("embedded-train")


@pytest.fixture(scope="module")
def alone(photographs):
    """Each config trained by itself, once for all tests."""
    known: dict[tuple[str, str], torch.nn.Module] = {}

    def get(config, recipe=RECIPE):
        key = config, recipe.digest
        if key not in known:
            known[key] = train(parse_id(config), recipe, photographs, 0)
        return known[key]

    return get


def assert_equal(packed, single, tolerance=2e-4):
    """Weights move by some 0.03; Adam's quotient of tiny gradients keeps rounding from being smaller."""
    assert isinstance(packed, Trained), packed
    left, right = packed.module.state_dict(), single.module.state_dict()
    for name, value in left.items():
        torch.testing.assert_close(value, right[name], atol=tolerance, rtol=1e-3)
    assert [step for step, _ in packed.curve] == [step for step, _ in single.curve]
    for (_, one), (_, other) in zip(packed.curve, single.curve, strict=True):
        assert one == pytest.approx(other, rel=1e-3)


@WAYS
@pytest.mark.parametrize("family", FAMILIES)
def test_a_member_of_a_pack_equals_the_same_config_trained_alone(family, compiled, photographs, alone):
    members = [Member(parse_id(config)) for config in FAMILIES[family]]
    for member, result in zip(members, train_pack(members, RECIPE, photographs, compiled=compiled), strict=True):
        assert_equal(result, alone(member.config.id))


@WAYS
def test_members_of_unlike_steps_end_each_at_its_own(compiled, photographs, alone):
    recipe = RECIPE.with_changes(
        steps=12, family_steps=(("ESPCN", 9), ("eSR-CNN", 17)), esr_cnn="orthogonal", momentum=0.9
    )
    ids = ("eSR-CNN_s4_C2_D3_S6", "eSR-CNN_s4_C4_D0_S3", "eSR-CNN_s4_C4_D5_S9", "ESPCN_s4_D3_S9", "eSR-TM_s4_K3_C2")
    seen: list[int] = []
    members = [Member(parse_id(config)) for config in ids]
    results = train_pack(members, recipe, photographs, compiled=compiled, progress=seen.append)
    assert [result.steps for result in results] == [17, 17, 17, 9, 12]
    assert seen == list(range(1, 18))
    for member, result in zip(members, results, strict=True):
        assert_equal(result, alone(member.config.id, recipe))


@WAYS
@pytest.mark.parametrize("loss", ["l1", "charbonnier"])
def test_every_loss_is_the_single_runs_loss(loss, compiled, photographs, alone):
    recipe = RECIPE.with_changes(loss=loss, steps=8, lr=1e-4, family_lr=())
    members = [Member(parse_id(c)) for c in ("eSR-TM_s2_K3_C2", "eSR-MAX_s2_K3_C2", "ESPCN_s2_D2_S6")]
    for member, result in zip(members, train_pack(members, recipe, photographs, compiled=compiled), strict=True):
        assert_equal(result, alone(member.config.id, recipe))


@WAYS
@pytest.mark.parametrize("border", [0, 1, 7])
def test_what_a_net_sees_beyond_the_patch_is_the_single_runs_padding(border, compiled, photographs, alone):
    recipe = RECIPE.with_changes(border=border, steps=8)
    ids = ("eSR-TR_s2_K7_C2", "eSR-CNN_s2_C2_D2_S3", "FSRCNN_s2_D6_S3_M1")
    members = [Member(parse_id(c)) for c in ids]
    for member, result in zip(members, train_pack(members, recipe, photographs, compiled=compiled), strict=True):
        assert_equal(result, alone(member.config.id, recipe))
