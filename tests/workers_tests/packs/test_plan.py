"""Planning packs: every config once, one scale a pack, within the budget, the costliest first."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.spaces import load_space
from workers.packs import member_bytes, pack_bytes, plan_packs
from workers.packs.plan import macs, structure
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
