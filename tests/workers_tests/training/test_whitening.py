"""Orthogonal steps on white inputs, and the start that is fitted to patches."""

from __future__ import annotations

import pytest
import torch

from search_space import parse_id
from workers.data.datasets import resolve
from workers.quality.protocol import evaluate
from workers.training.initialisation import fit
from workers.training.optimiser import Optimiser, flat, rule_of
from workers.training.patches import PatchSampler
from workers.training.recipe import recipe_for
from workers.training.train import START_PATCHES, initial_module
from workers.training.whitening import inverses, layers_of, orthogonal, probe, second_moments

ESPCN = parse_id("ESPCN_s2_D4_S12")


@pytest.fixture(scope="module")
def sampler() -> PatchSampler:
    return PatchSampler(resolve("embedded-train"), 2, 16, 8, 0)


def test_a_step_has_singular_values_near_one_where_the_inputs_are_white():
    momentum = torch.randn(6, 20, generator=torch.Generator().manual_seed(0))
    step = orthogonal(momentum, torch.eye(20))
    assert float(torch.linalg.svdvals(step).min()) > 0.5
    assert float(torch.linalg.svdvals(step).max()) < 1.3
    u, _, v = torch.linalg.svd(momentum, full_matrices=False)
    u_step, _, v_step = torch.linalg.svd(step, full_matrices=False)
    torch.testing.assert_close(u @ u.T @ u_step @ v_step, u_step @ v_step, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(v.T @ v @ step.T, step.T, atol=1e-4, rtol=1e-3)


def test_mixing_the_inputs_of_a_layer_changes_the_step_as_it_changes_the_weights():
    """With inputs f' = A f the gradient is G A^T; so step' A = step: outputs move alike."""
    generator = torch.Generator().manual_seed(1)
    gradient = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    mix = torch.eye(7, dtype=torch.float64) + 0.3 * torch.randn(7, 7, generator=generator, dtype=torch.float64)
    moments = torch.cov(torch.randn(7, 50, generator=generator, dtype=torch.float64))
    plain = orthogonal(gradient, torch.linalg.inv(moments))
    mixed = orthogonal(gradient @ mix.T, torch.linalg.inv(mix @ moments @ mix.T))
    torch.testing.assert_close(mixed @ mix, plain)


def test_second_moments_are_those_of_all_windows():
    x = torch.rand(10, 2, 5, 6, generator=torch.Generator().manual_seed(2))
    moments, cross = second_moments(x, 3, x)
    windows = [[*x[n, :, i : i + 3, j : j + 3].reshape(-1), 1.0] for n in range(10) for i in range(3) for j in range(4)]
    f = torch.tensor(windows, dtype=torch.float64)
    torch.testing.assert_close(moments, f.T @ f / len(f), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(cross[:, 1], moments[:, 9 + 4], atol=1e-6, rtol=1e-5)


def test_only_espcn_has_layers_and_they_cover_its_weights():
    module = ESPCN.build()
    layers = layers_of(module)
    assert sum(layer.rows * (layer.width + 1) for layer in layers) == flat(module).numel()
    assert [one.shape for one in inverses(module, torch.rand(2, 1, 12, 12))] == [
        (layer.width + 1, layer.width + 1) for layer in layers
    ]
    assert layers_of(parse_id("FSRCNN_s2_D6_S3_M1").build()) == ()


def test_a_restored_run_finds_the_same_white_inputs_again(sampler):
    recipe = recipe_for("smoke")
    module = initial_module(ESPCN, 0)
    low, _ = probe(sampler, 0)
    optimiser = Optimiser(module, recipe)
    optimiser.whiten(low, fresh=True)
    before = [one.clone() for one in optimiser._inverses]
    module(low).square().mean().backward()
    optimiser.step(0, 1e-3)
    moved = flat(module)
    optimiser.whiten(low, fresh=False)
    assert all(torch.equal(one, other) for one, other in zip(before, optimiser._inverses, strict=True))
    assert torch.equal(flat(module), moved)
    optimiser.whiten(low, fresh=True)
    assert not torch.equal(before[-1], optimiser._inverses[-1])


def test_a_recipe_without_them_has_adams_steps():
    assert rule_of(ESPCN.build(), recipe_for("paper")).layers
    assert not rule_of(ESPCN.build(), recipe_for("paper").with_changes(espcn="adam")).layers


def test_a_fitted_espcn_is_ahead_before_it_is_trained(sampler):
    """The embedded test photographs are not those it is fitted to."""
    tests = resolve("embedded-test")
    module = initial_module(ESPCN, 0)
    passing = evaluate(ESPCN, module, tests, ("psnr",))[0].value
    fit(module, *probe(sampler, 0, START_PATCHES))
    fitted = evaluate(ESPCN, module, tests, ("psnr",))[0].value
    assert fitted > passing + 1.0


def test_fitted_filters_respond_with_equal_spread_around_zero(sampler):
    module = initial_module(parse_id("eSR-CNN_s2_C2_D5_S6"), 0)
    low, high = probe(sampler, 0, START_PATCHES)
    fit(module, low, high)
    with torch.no_grad():
        made = module.filter[0](low)[..., 2:-2, 2:-2]
    assert torch.allclose(made.std((0, 2, 3))[1:], torch.ones(4), atol=0.02)
    assert torch.allclose(made.mean((0, 2, 3))[1:], torch.zeros(4), atol=0.02)


def test_a_net_of_another_family_keeps_its_start(sampler):
    module = initial_module(parse_id("eSR-TM_s2_K3_C2"), 0)
    before = flat(module)
    fit(module, *probe(sampler, 0))
    assert torch.equal(before, flat(module))
