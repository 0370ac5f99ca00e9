"""Training one config: repeatable, resumable bit for bit, and honest about divergence."""

from __future__ import annotations

import json
import math

import pytest
import torch

from search_space import parse_id
from search_space.errors import BadWeights, SweepError
from search_space.facts import Failure
from workers.data.datasets import resolve
from workers.quality.protocol import bicubic_psnr, evaluate
from workers.task import PackTask, TrialTask, run_pack
from workers.training.recipe import Recipe, recipe_for
from workers.training.train import Diverged, initial_module, train

SMOKE = recipe_for("smoke")


@pytest.fixture(scope="module")
def photographs():
    return resolve("embedded-train")


@pytest.fixture(scope="module")
def tests():
    return resolve("embedded-test")


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return all(torch.equal(left[k], right[k]) for k in left)


@pytest.mark.parametrize("config", ["eSR-TR_s2_K3_C2", "ESPCN_s3_D3_S9", "FSRCNN_s4_D6_S3_M1"])
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(config, photographs):
    torch.set_num_threads(1)
    kept: list[bytes] = []
    whole = train(parse_id(config), SMOKE, photographs, 0, save=kept.append, save_every=15)
    again = train(parse_id(config), SMOKE, photographs, 0, checkpoint=kept[0])
    assert same(whole.module, again.module)
    assert whole.curve == again.curve


def test_the_same_seed_gives_the_same_start_and_another_seed_another(photographs):
    config = parse_id("eSR-CNN_s2_C2_D3_S6")
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    assert same(initial_module(config, 1), initial_module(config, 1))
    assert not same(initial_module(config, 1), initial_module(config, 2))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("config", ["ESPCN_s2_D4_S12", "ESPCN_s3_D0_S3", "FSRCNN_s3_D6_S1_M4", "eSR-CNN_s4_C2_D1_S3"])
def test_deep_nets_start_near_plain_enlargement(config, tests):
    config = parse_id(config)
    start = evaluate(config, initial_module(config, 0), tests, ("psnr",))[0].value
    assert start > bicubic_psnr(tests, config.scale) - 6.0


def test_training_beats_the_start(photographs, tests):
    config = parse_id("eSR-TM_s2_K5_C4")
    recipe = recipe_for("demo").with_changes(steps=200)
    start = evaluate(config, initial_module(config, 0), tests, ("psnr",))[0].value
    trained = evaluate(config, train(config, recipe, photographs, 0).module, tests, ("psnr",))[0].value
    assert trained > start + 1.0


def test_bicubic_needs_no_training(photographs):
    assert train(parse_id("Bicubic_s2"), SMOKE, photographs, 0).steps == 0


def test_a_learning_rate_that_explodes_is_a_named_divergence(photographs):
    wild = SMOKE.with_changes(lr=1e4, family_lr=(), warmup=0)
    with pytest.raises(Diverged, match="FSRCNN_s2_D6_S3_M1 diverged at step"):
        train(parse_id("FSRCNN_s2_D6_S3_M1"), wild, photographs, 0)


def test_a_divergence_comes_back_as_a_classified_failure_and_spares_the_others(photographs, tests):
    wild = SMOKE.with_changes(family_lr=(("FSRCNN", 1e5),), lr=3e-3, warmup=0)
    members = (TrialTask(1, 1, "FSRCNN_s2_D6_S3_M1", 0), TrialTask(2, 1, "ESPCN_s2_D3_S9", 0))
    bad, good = run_pack(PackTask(members, wild.to_json()), photographs, [tests])
    assert bad.failure is Failure.DIVERGENCE and "diverged" in bad.error
    assert good.trial == 2 and math.isfinite(good.quality[0].value)


def test_a_checkpoint_of_another_config_is_refused(photographs):
    kept: list[bytes] = []
    train(parse_id("eSR-MAX_s2_K3_C2"), SMOKE, photographs, 0, save=kept.append, save_every=15)
    with pytest.raises(BadWeights, match="belongs to eSR-MAX_s2_K3_C2"):
        train(parse_id("eSR-MAX_s2_K3_C3"), SMOKE, photographs, 0, checkpoint=kept[0])


def test_a_damaged_checkpoint_is_refused(photographs):
    with pytest.raises(BadWeights, match="cannot be read"):
        train(parse_id("eSR-MAX_s2_K3_C2"), SMOKE, photographs, 0, checkpoint=b"junk")


def test_a_result_under_bicubic_is_flagged(photographs, tests):
    poor = SMOKE.with_changes(steps=1)
    (done,) = run_pack(PackTask((TrialTask(1, 1, "eSR-MAX_s2_K3_C1", 0),), poor.to_json()), photographs, [tests])
    assert done.flags == ("below-bicubic:embedded-test",)


def test_a_recipe_survives_json_and_its_digest_ignores_the_name():
    recipe = recipe_for("paper")
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert recipe.with_changes(name="other").digest == recipe.digest
    assert recipe.with_changes(steps=1).digest != recipe.digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"name": "x"}',
        '{"name": "x", "lernrate": 1}',
        '{"name":"x","steps":-1,"batch":1,"patch":9,"border":0,"lr":1}',
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(text):
    with pytest.raises(SweepError):
        Recipe.from_json(text)


@pytest.mark.parametrize(("family", "steps"), [("ESPCN_s2_D2_S6", 4000), ("eSR-CNN_s2_C2_D2_S3", 6000)])
def test_the_schedule_warms_up_and_ends_at_the_final_rate_after_the_familys_steps(family, steps):
    recipe, config = recipe_for("demo").with_changes(family_steps=(("eSR-CNN", 6000),)), parse_id(family)
    assert recipe.steps_of(config) == steps
    assert recipe.rate(0, config) == pytest.approx(1 / recipe.warmup)
    assert recipe.rate(recipe.warmup, config) == pytest.approx(1.0)
    assert recipe.rate((steps + recipe.warmup) // 2, config) == pytest.approx(0.5)
    assert recipe.rate(steps, config) == pytest.approx(recipe.final_lr)


def test_fewer_steps_are_fewer_for_every_family_alike():
    recipe = recipe_for("demo").with_changes(family_steps=(("eSR-CNN", 6000),)).with_steps(1000)
    assert recipe.steps_of(parse_id("ESPCN_s2_D2_S6")) == 1000
    assert recipe.steps_of(parse_id("eSR-CNN_s2_C2_D2_S3")) == 1500
    assert recipe.name == "demo-1000"


def test_a_recipe_of_an_earlier_version_reads_and_keeps_its_digest():
    """Trials of a stored sweep are found again by it."""
    paper = recipe_for("paper")
    old = {
        k: v
        for k, v in json.loads(paper.to_json()).items()
        if k not in ("esr_cnn", "esr_cnn_momentum", "family_steps", "schedule")
    }
    assert Recipe.from_json(json.dumps(old)).digest == paper.digest == "abe768763f06"
    assert paper.with_changes(family_steps=(("ESPCN", 5),)).digest != paper.digest
