"""The GPU kernels, interpreted on the CPU: each family comes out as under autograd, one by one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from search_space import parse_id
from tests.workers_tests.packs.interpreted import load_interpreted
from workers.packs.plain_engine import PlainEngine
from workers.training.initialisation import fit
from workers.training.recipe import recipe_for
from workers.training.train import initial_module

load_interpreted()

from workers.packs.kernels.engine import KernelEngine, knows  # noqa: E402

# The large epsilon keeps Adam from blowing up the rounding of gradients that are nearly zero.
RECIPE = recipe_for("paper").with_changes(eps=1e-6, batch=2, patch=8, warmup=0)
FAMILIES = {
    "one-layer": ("eSR-MAX_s2_K3_C3", "eSR-TM_s2_K3_C2", "eSR-TR_s2_K3_C4", "Linear_s2_K3", "eSR-TM_s2_K5_C5"),
    "one-layer x3, K7": ("eSR-MAX_s3_K7_C5", "eSR-TM_s3_K7_C1", "eSR-TR_s3_K7_C2"),
    "one-layer x4, K5": ("eSR-MAX_s4_K5_C1", "eSR-TR_s4_K5_C2"),
    "ESPCN": ("ESPCN_s2_D3_S6", "ESPCN_s2_D0_S34"),
    "eSR-CNN": ("eSR-CNN_s2_C2_D3_S6", "eSR-CNN_s2_C4_D0_S3"),
    "FSRCNN": ("FSRCNN_s2_D6_S2_M1", "FSRCNN_s2_D17_S1_M0"),
    "deep x3": ("ESPCN_s3_D2_S3", "eSR-CNN_s3_C5_D1_S3", "FSRCNN_s3_D6_S2_M1"),
    "deep x4": ("ESPCN_s4_D0_S3", "eSR-CNN_s4_C2_D1_S3", "FSRCNN_s4_D6_S1_M1"),
}


def patches(scale: int, steps: int, recipe=RECIPE, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth made-up patches of some steps: (n, B, 1, p, p), (n, B, 1, sp, sp)."""
    generator = torch.Generator().manual_seed(seed)
    side = recipe.patch * scale
    coarse = torch.rand(steps * recipe.batch, 1, 5, 5, generator=generator)
    high = F.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    high = (high + 0.1 * torch.rand(high.shape, generator=generator)).clamp(0, 1)
    low = F.avg_pool2d(high, scale)
    return low.unflatten(0, (steps, recipe.batch)), high.unflatten(0, (steps, recipe.batch))


def started(ids, recipe=RECIPE):
    configs = [parse_id(name) for name in ids]
    modules = [initial_module(config, 0) for config in configs]
    if recipe.start == "fitted":
        low, high = patches(configs[0].scale, 4, recipe, seed=9)
        for module in modules:
            fit(module, low.flatten(0, 1), high.flatten(0, 1))
    return configs, modules


def reference(ids, recipe, low, high, rates):
    _, modules = started(ids, recipe)
    engine = PlainEngine(modules, recipe, parse_id(ids[0]).scale)
    before = [engine.state(i).weights for i in range(len(ids))]
    for i in range(len(ids)):
        engine.whiten(i, probe(ids, recipe), fresh=True)
    for step, row in enumerate(rates):
        engine.step(step, low[step], high[step], row)
    return engine, before


def probe(ids, recipe):
    return patches(parse_id(ids[0]).scale, 2, recipe, seed=5)[0].flatten(0, 1)


def peak_rates(configs, recipe, steps):
    return [[recipe.peak_lr(c) * recipe.rate(step, c) for c in configs] for step in range(steps)]


def assert_close(engine, other, before, index, name):
    """Weights, both moments and the loss; rounding is measured against how far the weights moved."""
    mine, its = engine.state(index), other.state(index)
    moved = float((its.weights - before[index]).abs().max())
    assert moved > 1e-4, name
    assert float((mine.weights - its.weights).abs().max()) < 3e-3 * moved, name
    for a, b in ((mine.first, its.first), (mine.second, its.second)):
        assert float((a - b).abs().max()) <= 3e-4 * float(b.abs().max()), name
    assert engine.losses()[index] == pytest.approx(other.losses()[index], rel=1e-4), name


def check(ids, recipe=RECIPE, steps=2):
    configs, modules = started(ids, recipe)
    low, high = patches(configs[0].scale, steps, recipe)
    rates = peak_rates(configs, recipe, steps)
    engine = KernelEngine(modules, recipe, configs[0].scale, "cpu")
    engine.whiten_all(range(len(ids)), probe(ids, recipe), fresh=True)
    engine.steps(0, low, high, rates)
    other, before = reference(ids, recipe, low, high, rates)
    for index, name in enumerate(ids):
        assert_close(engine, other, before, index, name)


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_equal_those_under_autograd(family):
    check(FAMILIES[family])


@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_every_loss_is_that_of_the_reference(loss):
    recipe = RECIPE.with_changes(loss=loss)
    check(("eSR-TM_s2_K3_C2", "eSR-MAX_s2_K3_C2"), recipe)
    check(("ESPCN_s2_D2_S3", "eSR-CNN_s2_C2_D1_S3", "FSRCNN_s2_D6_S1_M1"), recipe)


def test_plain_adam_on_taps_and_another_border_are_those_of_the_reference():
    recipe = RECIPE.with_changes(filters="taps", espcn="adam", gate=1.0, border=0, batch=1)
    check(("eSR-TR_s2_K3_C2", "Linear_s2_K3", "ESPCN_s2_D2_S3", "eSR-CNN_s2_C2_D1_S3"), recipe)


def test_layers_without_a_bias_and_momenta_of_their_own_are_those_of_the_reference():
    recipe = RECIPE.with_changes(esr_cnn="orthogonal", momentum=0.97, esr_cnn_momentum=0.9)
    check(("eSR-CNN_s2_C2_D1_S3", "ESPCN_s2_D0_S3"), recipe)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    kind=st.sampled_from(["eSR-MAX", "eSR-TM", "eSR-TR"]),
    kernel=st.sampled_from([3, 5, 7]),
    templates=st.integers(1, 16),
    patch=st.integers(5, 11),
    batch=st.integers(1, 3),
)
def test_one_layer_nets_of_any_size_on_patches_of_any_size(kind, kernel, templates, patch, batch):
    recipe = RECIPE.with_changes(patch=patch, batch=batch)
    check((f"{kind}_s2_K{kernel}_C{templates}",), recipe, steps=1)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data(), scale=st.integers(2, 4), patch=st.integers(5, 9), batch=st.integers(1, 2))
def test_deep_nets_of_any_size_on_patches_of_any_size(data, scale, patch, batch):
    recipe = RECIPE.with_changes(patch=patch, batch=batch, start="passing")
    small, wide = st.integers(1, 6), st.integers(1, 20)
    name = data.draw(
        st.one_of(
            st.builds("ESPCN_s{}_D{}_S{}".format, st.just(scale), st.integers(0, 20), wide),
            st.builds("eSR-CNN_s{}_C{}_D{}_S{}".format, st.just(scale), st.integers(1, 8), st.integers(0, 5), small),
            st.builds("FSRCNN_s{}_D{}_S{}_M{}".format, st.just(scale), wide, small, st.integers(0, 2)),
        )
    )
    check((name,), recipe, steps=1)


def test_a_member_that_ends_or_joins_in_the_middle_stays_as_it_is_meanwhile():
    ids = ("eSR-TM_s2_K3_C2", "eSR-TM_s2_K3_C1", "ESPCN_s2_D0_S3", "ESPCN_s2_D0_S4", "FSRCNN_s2_D6_S1_M1")
    configs, modules = started(ids)
    low, high = patches(2, 3)
    rates = peak_rates(configs, RECIPE, 3)
    rates[2][0] = rates[2][2] = 0.0  # ended
    rates[0][1] = rates[0][3] = rates[0][4] = 0.0  # not yet begun
    engine = KernelEngine(modules, RECIPE, 2, "cpu")
    engine.whiten_all(range(len(ids)), probe(ids, RECIPE), fresh=True)
    engine.steps(0, low, high, rates)
    other, before = reference(ids, RECIPE, low, high, rates)
    for index in range(len(ids)):
        mine, its = engine.state(index), other.state(index)
        moved = float((its.weights - before[index]).abs().max())
        assert float((mine.weights - its.weights).abs().max()) < 3e-3 * moved
        assert float((mine.first - its.first).abs().max()) <= 1e-3 * float(its.first.abs().max())


def test_a_block_of_steps_is_those_steps_one_by_one():
    ids = ("eSR-MAX_s2_K3_C2", "FSRCNN_s2_D6_S1_M1")
    low, high = patches(2, 2)
    ends = []
    for at_once in (True, False):
        configs, modules = started(ids)
        engine = KernelEngine(modules, RECIPE, 2, "cpu")
        rates = peak_rates(configs, RECIPE, 2)
        if at_once:
            engine.steps(0, low, high, rates)
        else:
            for step in range(2):
                engine.step(step, low[step], high[step], rates[step])
        ends.append([engine.state(i) for i in range(2)])
    for one, other in zip(*ends, strict=True):
        assert torch.equal(one.weights, other.weights) and torch.equal(one.second, other.second)


def test_a_state_goes_from_the_kernels_to_the_reference_and_back():
    ids = ("eSR-TR_s3_K5_C2", "Linear_s3_K3", "ESPCN_s3_D0_S3", "eSR-CNN_s3_C2_D1_S3", "FSRCNN_s3_D6_S1_M1")
    configs, modules = started(ids)
    low, high = patches(3, 2)
    rates = peak_rates(configs, RECIPE, 2)
    other, before = reference(ids, RECIPE, low[:1], high[:1], rates[:1])
    engine = KernelEngine(modules, RECIPE, 3, "cpu")
    for index in range(len(ids)):
        engine.restore(index, other.state(index))
        engine.whiten(index, probe(ids, RECIPE), fresh=False)
        kept, given_back = other.state(index), engine.state(index)
        torch.testing.assert_close(given_back.weights, kept.weights, atol=1e-6, rtol=0)
        assert torch.equal(given_back.first, kept.first) and torch.equal(given_back.second, kept.second)
    engine.step(1, low[1], high[1], rates[1])
    other.step(1, low[1], high[1], rates[1])
    for index, name in enumerate(ids):
        assert_close(engine, other, before, index, name)


def test_a_net_that_goes_wrong_leaves_the_others_as_they_are():
    ids = ("eSR-TM_s2_K3_C2", "eSR-TM_s2_K3_C3", "ESPCN_s2_D0_S3", "ESPCN_s2_D0_S5")
    low, high = patches(2, 2)
    ends = []
    for wild in (False, True):
        configs, modules = started(ids)
        if wild:
            for module in modules[1::2]:
                next(module.parameters()).data.fill_(float("nan"))
        engine = KernelEngine(modules, RECIPE, 2, "cpu")
        engine.whiten_all([0, 2], probe(ids, RECIPE), fresh=True)
        engine.steps(0, low, high, peak_rates(configs, RECIPE, 2))
        ends.append([engine.state(i).weights for i in (0, 2)])
    for calm, beside in zip(*ends, strict=True):
        assert torch.equal(calm, beside)


def test_what_the_kernels_do_not_know_is_left_to_others():
    assert not knows(initial_module(parse_id("ABPN_s2_D4_M1"), 0), RECIPE, 2)
    assert not knows(initial_module(parse_id("eSR-MAX_s2_K9_C2"), 0), RECIPE, 2)
    wide = initial_module(parse_id("ESPCN_s2_D3_S130"), 0)
    assert not knows(wide, RECIPE, 2) and knows(wide, RECIPE.with_changes(espcn="adam"), 2)
