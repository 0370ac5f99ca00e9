"""A pack's life: divergence, lack of memory, interruption, and members of several streams."""

from __future__ import annotations

import pytest
import torch

from search_space import parse_id
from search_space.errors import BadWeights
from workers.data.datasets import resolve
from workers.packs import Member, pack_from_bytes, pack_to_bytes, train_pack
from workers.packs.stacked_engine import StackedEngine
from workers.training.recipe import recipe_for
from workers.training.train import Diverged, Trained, train

# The large epsilon keeps Adam from blowing up the rounding of gradients that are nearly zero.
RECIPE = recipe_for("smoke").with_changes(steps=20, eps=1e-6)
MIXED = tuple(map(parse_id, ("eSR-TM_s2_K3_C2", "ESPCN_s2_D2_S6", "FSRCNN_s2_D6_S2_M1", "eSR-MAX_s2_K5_C1")))


@pytest.fixture(scope="module")
def photographs():
    return resolve("embedded-train")


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.module.parameters(), b.module.parameters(), strict=True))


@pytest.mark.parametrize("compiled", [True, False])
def test_a_diverging_member_leaves_the_others_as_they_are(compiled, photographs):
    calm = [Member(config) for config in MIXED]
    wild = [*calm[:2], Member(parse_id("FSRCNN_s2_D8_S2_M1"), lr_scale=1e9), *calm[2:]]
    recipe = RECIPE.with_changes(steps=60)
    expected = train_pack(calm, recipe, photographs, compiled=compiled)
    *first, bad, a, b = train_pack(wild, recipe, photographs, compiled=compiled)
    assert isinstance(bad, Diverged) and bad.config == "FSRCNN_s2_D8_S2_M1"
    for one, other in zip(expected, [*first, a, b], strict=True):
        for x, y in zip(one.module.parameters(), other.module.parameters(), strict=True):
            torch.testing.assert_close(x, y, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("compiled", [True, False])
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(compiled, photographs):
    torch.set_num_threads(1)
    members = [Member(config) for config in MIXED]
    kept: list[dict[str, bytes]] = []
    whole = train_pack(members, RECIPE, photographs, save=kept.append, save_every=7, compiled=compiled)
    assert len(kept) == 2
    again = train_pack(members, RECIPE, photographs, checkpoint=kept[0], compiled=compiled)
    assert all(map(same, whole, again))
    assert [r.curve for r in whole] == [r.curve for r in again]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("stop", [0, 1, 2])
def test_members_that_ended_before_the_others_stay_as_they_are_in_a_resume(stop, compiled, photographs):
    torch.set_num_threads(1)
    own = (("FSRCNN", 20), ("eSR-CNN", 15))
    recipe = RECIPE.with_changes(steps=10, family_steps=own, esr_cnn="orthogonal", refresh=4)
    members = [Member(config) for config in (*MIXED, parse_id("eSR-CNN_s2_C2_D2_S6"))]
    kept: list[dict[str, bytes]] = []
    whole = train_pack(members, recipe, photographs, save=kept.append, save_every=6, compiled=compiled)
    assert [set(one) for one in kept] == [{m.key for m in members}] * 3
    again = train_pack(members, recipe, photographs, checkpoint=kept[stop], compiled=compiled)
    assert all(map(same, whole, again))
    assert [r.curve for r in whole] == [r.curve for r in again]
    assert [r.steps for r in again] == [10, 10, 20, 10, 15]


def test_on_one_thread_the_bits_of_a_member_do_not_depend_on_its_pack(photographs):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        recipe = RECIPE.with_changes(steps=6, batch=4)
        together = train_pack([Member(config) for config in MIXED], recipe, photographs)
        for config, expected in zip(MIXED, together, strict=True):
            (alone,) = train_pack([Member(config)], recipe, photographs)
            assert same(alone, expected), config.id
    finally:
        torch.set_num_threads(before)


def test_a_resume_may_repack_and_members_may_be_at_different_steps(photographs):
    members = [Member(config) for config in MIXED]
    kept: list[dict[str, bytes]] = []
    whole = train_pack(members, RECIPE, photographs, save=kept.append, save_every=7)
    early, late = kept
    mixed = {m.key: (early if i % 2 else late)[m.key] for i, m in enumerate(members[:3])}
    again = train_pack(members, RECIPE, photographs, checkpoint=mixed)
    for one, other in zip(whole, again, strict=True):
        for x, y in zip(one.module.parameters(), other.module.parameters(), strict=True):
            torch.testing.assert_close(x, y, atol=2e-4, rtol=1e-3)


def test_a_member_of_a_pack_can_go_on_alone(photographs):
    members = [Member(config) for config in MIXED[:2]]
    kept: list[dict[str, bytes]] = []
    whole = train_pack(members, RECIPE, photographs, save=kept.append, save_every=10)
    alone = train(MIXED[1], RECIPE, photographs, 0, checkpoint=kept[0][members[1].key])
    for x, y in zip(whole[1].module.parameters(), alone.module.parameters(), strict=True):
        torch.testing.assert_close(x, y, atol=2e-4, rtol=1e-3)


def test_a_packs_checkpoint_travels_as_bytes_and_a_damaged_one_is_refused(photographs):
    kept: list[dict[str, bytes]] = []
    train_pack([Member(MIXED[0])], RECIPE, photographs, save=kept.append, save_every=10)
    assert pack_from_bytes(pack_to_bytes(kept[0])) == kept[0]
    with pytest.raises(BadWeights, match="cannot be read"):
        pack_from_bytes(b"junk")


def test_a_damaged_checkpoint_of_one_member_fails_that_member_only(photographs):
    members = [Member(config) for config in MIXED[:2]]
    bad, good = train_pack(members, RECIPE, photographs, checkpoint={members[0].key: b"junk"})
    assert isinstance(bad, BadWeights) and isinstance(good, Trained)


def test_a_pack_that_lacks_memory_goes_on_in_halves(photographs, monkeypatch):
    """Lack of memory is made by hand: steps of more than two stacked members say so, once some steps are done."""
    members = [Member(parse_id(f"ESPCN_s2_D3_S{s}")) for s in (5, 6, 7, 8)]
    expected = train_pack(members, RECIPE, photographs, compiled=False)
    step = StackedEngine.step

    def tight(self, number, low, high, rates):
        if number == 5 and len(rates) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory (made by a test)")
        step(self, number, low, high, rates)

    monkeypatch.setattr(StackedEngine, "step", tight)
    for one, other in zip(expected, train_pack(members, RECIPE, photographs, compiled=False), strict=True):
        for x, y in zip(one.module.parameters(), other.module.parameters(), strict=True):
            torch.testing.assert_close(x, y, atol=2e-4, rtol=1e-3)


def test_a_member_too_large_even_alone_says_so_and_the_others_are_trained(photographs, monkeypatch):
    step = StackedEngine.step

    def tight(self, number, low, high, rates):
        if any(shapes[0][0] == 8 for shapes in self.stack.shapes):
            raise MemoryError
        step(self, number, low, high, rates)

    monkeypatch.setattr(StackedEngine, "step", tight)
    members = [Member(parse_id(f"ESPCN_s2_D{d}_S6")) for d in (7, 8, 9)]
    one, large, other = train_pack(members, RECIPE, photographs, compiled=False)
    assert isinstance(large, MemoryError)
    assert isinstance(one, Trained) and isinstance(other, Trained)


def test_scales_and_seeds_are_streams_of_their_own_and_bicubic_needs_no_training(photographs):
    members = [
        Member(parse_id("eSR-MAX_s2_K3_C1")),
        Member(parse_id("Bicubic_s3")),
        Member(parse_id("eSR-MAX_s3_K3_C1")),
        Member(parse_id("eSR-MAX_s2_K3_C1"), seed=1),
    ]
    results = train_pack(members, RECIPE, photographs)
    assert [r.config.id for r in results] == [m.config.id for m in members]
    assert [r.steps for r in results] == [20, 0, 20, 20]
    assert not same(results[0], results[3])


def test_the_time_of_a_pack_is_shared_by_arithmetic(photographs):
    small, large = train_pack(
        [Member(parse_id("eSR-TM_s2_K3_C1")), Member(parse_id("eSR-TM_s2_K7_C4"))], RECIPE, photographs
    )
    assert large.seconds == pytest.approx(small.seconds * 49 * 4 / 9)


def test_progress_counts_the_steps_once_for_all_members(photographs):
    seen: list[int] = []
    train_pack([Member(c) for c in MIXED], RECIPE, photographs, progress=seen.append)
    assert seen == list(range(1, 21))


def test_an_empty_pack_is_no_work(photographs):
    assert train_pack([], RECIPE, photographs) == []
