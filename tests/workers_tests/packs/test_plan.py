"""Planning packs: every config once, one scale per pack, within the budget, the costliest first."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from search_space import parse_id
from search_space.config import Config, Conv
from search_space.spaces import load_space
from workers.packs import member_bytes, pack_bytes, plan_packs
from workers.packs.plan import WASTE, macs, structure
from workers.training.recipe import recipe_for

PAPER = load_space("paper").configs
RECIPE = recipe_for("paper")
SOME = st.lists(st.sampled_from(PAPER), min_size=1, max_size=40, unique=True)
PLANS = settings(max_examples=60, deadline=None)


@PLANS
@given(configs=SOME, most=st.integers(1, 50), compiled=st.booleans())
def test_every_config_is_in_exactly_one_pack_of_its_scale_and_structure(configs, most, compiled):
    packs = plan_packs(configs, 2**34, most, RECIPE, compiled=compiled)
    assert sorted(c.id for pack in packs for c in pack) == sorted(c.id for c in configs)
    for pack in packs:
        assert len(pack) <= most
        assert len({c.scale for c in pack}) == 1
        assert compiled or len({structure(c) for c in pack}) == 1


@PLANS
@given(configs=SOME, budget=st.integers(2**25, 2**34), compiled=st.booleans())
def test_a_pack_of_several_stays_within_the_budget(configs, budget, compiled):
    for pack in plan_packs(configs, budget, 1000, RECIPE, compiled=compiled):
        sizes = [member_bytes(c, RECIPE, compiled) for c in pack]
        total = sum(sizes) if compiled else len(pack) * sizes[0]
        assert len(pack) == 1 or total + pack_bytes(RECIPE, pack[0].scale) <= budget


@PLANS
@given(configs=SOME)
def test_the_costliest_packs_and_members_come_first(configs):
    packs = plan_packs(configs, 2**34, 5, RECIPE)
    costs = [sum(map(macs, pack)) for pack in packs]
    assert costs == sorted(costs, reverse=True)
    assert all(list(map(macs, pack)) == sorted(map(macs, pack), reverse=True) for pack in packs)


def test_all_kinds_and_sizes_of_a_scale_fit_in_one_compiled_pack():
    assert len(plan_packs(PAPER, 2**34, 2000)) == 3


SMALL = recipe_for("paper").with_changes(batch=2, patch=8)
# One layer of 3 x 3 from 1 to 8 channels without a bias: two outputs for each of four pixels.
MAX = parse_id("eSR-MAX_s2_K3_C2")
# 5 x 5 from 1 to 4, 3 x 3 from 4 to 3, 3 x 3 from 3 to 4, each with a bias.
ESPCN = parse_id("ESPCN_s2_D4_S3")


def test_multiply_adds_are_those_of_all_layers() -> None:
    assert macs(MAX) == 9 * 8
    assert macs(ESPCN) == 25 * 4 + 9 * 4 * 3 + 9 * 3 * 4
    assert macs(parse_id("Bicubic_s2")) >= 1


def weights(name: str) -> int:
    return sum(c.kernel**2 * c.c_in * c.c_out + c.c_out + c.extra for c in parse_id(name).convs() or ())


def test_a_compiled_member_takes_seven_copies_of_its_weights() -> None:
    assert weights(MAX.id) == 9 * 8 + 8
    assert member_bytes(MAX, SMALL) == 28 * 80 + 4096 == member_bytes(MAX, SMALL, True)
    assert member_bytes(ESPCN, SMALL) == 28 * weights(ESPCN.id) + 4096


def test_a_member_in_torch_operations_takes_its_activations_too() -> None:
    pixels = 2 * 8**2
    assert member_bytes(MAX, SMALL, False) == 4 * (6 * 80 + 7 * (8 + 4) * pixels)
    assert member_bytes(ESPCN, SMALL, False) == 4 * (6 * weights(ESPCN.id) + 7 * (4 + 3 + 4 + 4) * pixels)
    fsrcnn = parse_id("FSRCNN_s3_D6_S4_M1")
    maps = sum(c.c_out * (c.transposed_stride or 1) ** 2 for c in fsrcnn.convs() or ())
    assert any(c.transposed_stride == 3 for c in fsrcnn.convs() or ())
    assert member_bytes(fsrcnn, SMALL, False) == 4 * (6 * weights(fsrcnn.id) + 7 * (maps + 9) * pixels)
    assert any(c.extra for c in fsrcnn.convs() or ())


def test_a_pack_takes_its_patches_and_scratch() -> None:
    assert pack_bytes(SMALL, 2) == 4 * 128 * (49 + 16) + 32 * 2**20
    assert pack_bytes(SMALL, 3) == 4 * 128 * (49 + 36) + 32 * 2**20


def test_one_layer_families_share_a_structure_and_depth_tells_the_others_apart() -> None:
    assert structure(MAX) == structure(parse_id("eSR-TR_s2_K5_C1")) == structure(parse_id("eSR-TM_s3_K5_C1"))
    assert structure(ESPCN) == "ESPCN//"
    assert structure(parse_id("ESPCN_s2_D0_S3")) == "ESPCN/shallow/"
    assert structure(parse_id("FSRCNN_s3_D6_S4_M1")) == "FSRCNN//1"
    assert structure(parse_id("FSRCNN_s3_D6_S4_M2")) == "FSRCNN//2"
    assert structure(MAX) == "one-layer"


SAME = [parse_id(f"eSR-MAX_s2_K3_C{n}") for n in (1, 2, 3, 4)]


def ids(packs: list[list[object]]) -> list[list[str]]:
    return [[str(config) for config in pack] for pack in packs]


@pytest.mark.parametrize("compiled", [True, False])
def test_a_budget_is_filled_to_its_last_byte(compiled: bool) -> None:
    sizes = [member_bytes(config, SMALL, compiled) for config in SAME]
    two = sizes[3] + sizes[2] if compiled else 2 * sizes[3]
    budget = pack_bytes(SMALL, 2) + two
    made = plan_packs(SAME, budget, 9, SMALL, compiled=compiled)
    assert [SAME[3].id, SAME[2].id] in ids(made)
    assert [SAME[3].id] in ids(plan_packs(SAME, budget - 1, 9, SMALL, compiled=compiled))


@pytest.mark.parametrize("compiled", [True, False])
def test_the_second_pack_has_as_much_room_as_the_first(compiled: bool) -> None:
    size, base = member_bytes(SAME[3], SMALL, compiled), pack_bytes(SMALL, 2)
    for budget in (base + 2 * size, base + 3 * size - 1):
        made = plan_packs([SAME[3]] * 6, budget, 9, SMALL, compiled=compiled)
        assert [len(pack) for pack in made] == [2, 2, 2]


def test_a_config_over_the_budget_has_a_pack_of_its_own() -> None:
    assert ids(plan_packs(SAME[:2], 0, 9, SMALL)) == [[SAME[1].id], [SAME[0].id]]


def test_a_pack_has_no_more_members_than_allowed_and_a_second_pack_starts_from_nothing() -> None:
    assert ids(plan_packs(SAME, 2**40, 3, SMALL)) == [[SAME[3].id, SAME[2].id, SAME[1].id], [SAME[0].id]]
    three = sum(member_bytes(config, SMALL) for config in SAME[1:])
    some = [*SAME, *[parse_id(f"eSR-MAX_s2_K3_C{n}") for n in (5, 6)]]
    largest = pack_bytes(SMALL, 2) + 2 * member_bytes(some[-1], SMALL) + 100
    assert [len(pack) for pack in plan_packs(some, largest, 9, SMALL)] == [2, 2, 2]
    assert three < 2**40


def test_members_of_equal_cost_are_in_the_order_of_their_ids_and_scales_are_apart() -> None:
    some = [parse_id(name) for name in ("eSR-TM_s2_K3_C2", "eSR-MAX_s2_K3_C4", "eSR-MAX_s3_K3_C1")]
    assert macs(some[0]) == macs(some[1])
    assert ids(plan_packs(some, 2**40, 9, SMALL)) == [["eSR-MAX_s2_K3_C4", "eSR-TM_s2_K3_C2"], ["eSR-MAX_s3_K3_C1"]]


def test_compiled_packs_hold_all_structures_and_others_one_family_each() -> None:
    some = [parse_id(name) for name in ("ESPCN_s2_D4_S3", "eSR-TM_s2_K3_C2", "eSR-MAX_s2_K3_C4", "ESPCN_s2_D0_S3")]
    assert len(plan_packs(some, 2**40, 9, SMALL)) == 1
    apart = plan_packs(some, 2**40, 9, SMALL, compiled=False)
    assert sorted(len(pack) for pack in apart) == [1, 1, 1, 1]
    costs = [sum(map(macs, pack)) for pack in apart]
    assert costs == sorted(costs, reverse=True)


def test_a_stack_does_not_pad_to_more_than_its_limit() -> None:
    # Padded over real work: 2 x 4 over 4 + 1 is the limit of 1.6 exactly, 2 x 4 over 4 + ... less is over it.
    pair = [parse_id("eSR-MAX_s2_K3_C4"), parse_id("eSR-MAX_s2_K3_C1")]
    assert len(plan_packs(pair, 2**40, 9, SMALL, compiled=False)) == 1
    over = [parse_id("eSR-MAX_s2_K3_C5"), parse_id("eSR-MAX_s2_K3_C1")]
    assert len(plan_packs(over, 2**40, 9, SMALL, compiled=False)) == 2
    kernels = [parse_id("eSR-MAX_s2_K7_C1"), parse_id("eSR-MAX_s2_K3_C4")]
    assert len(plan_packs(kernels, 2**40, 9, SMALL, compiled=False)) == 2
    assert len(plan_packs(kernels, 2**40, 9, SMALL)) == 1


def padded_over_real(some: list[Config]) -> float:
    layers = [config.convs() or () for config in some]
    padded = sum(
        max(c.kernel for c in same) ** 2 * max(c.c_in for c in same) * max(c.c_out for c in same)
        for same in zip(*layers, strict=True)
    )
    return len(some) * padded / sum(c.kernel**2 * c.c_in * c.c_out for convs in layers for c in convs)


def test_the_padding_of_deep_nets_is_counted_layer_by_layer() -> None:
    some = [parse_id(f"ESPCN_s2_D{d}_S{s}") for d in (2, 4, 8) for s in (3, 6, 12)]
    seen = set()
    for pair in itertools.combinations(some, 2):
        together = len(plan_packs(pair, 2**40, 9, SMALL, compiled=False)) == 1
        assert together is (padded_over_real(list(pair)) <= WASTE), pair
        seen.add(together)
    assert seen == {True, False} and WASTE == 1.6


@dataclass(frozen=True)
class Deep(Config):
    """A family of someone's own, whose number of layers is a field."""

    family: ClassVar[str] = "Deep"
    N: int

    def build(self) -> nn.Module:
        raise NotImplementedError

    def convs(self) -> tuple[Conv, ...]:
        return (Conv(3, 4, 4),) * self.N


def test_nets_of_other_depths_or_without_known_layers_are_taken_together() -> None:
    assert len(plan_packs([Deep(2, 1), Deep(2, 3)], 2**40, 9, SMALL, compiled=False)) == 1
    assert len(plan_packs([Deep(2, 0), Deep(2, 0)], 2**40, 9, SMALL, compiled=False)) == 1
    assert macs(Deep(2, 0)) == 1 and macs(Deep(2, 3)) == 3 * 9 * 16


def test_the_recipe_of_the_paper_is_meant_unless_another_is_given() -> None:
    paper = recipe_for("paper")
    assert plan_packs(SAME, 2**28, 48) == plan_packs(SAME, 2**28, 48, paper)
