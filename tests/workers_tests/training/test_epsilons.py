"""The small numbers that keep a division finite have the size that they are documented with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from search_space import parse_id
from workers.data.image_set import ImageSet
from workers.packs import Member, train_pack
from workers.training.optimiser import Optimiser, flat
from workers.training.patches import PatchSampler
from workers.training.recipe import recipe_for
from workers.training.train import initial_module, train

PAPER = recipe_for("paper")
VISIBLE = 0.05
"""An epsilon of Adam that changes every step by much more than rounding does."""


def test_adams_epsilon_is_added_to_the_root_as_torch_adds_it() -> None:
    recipe = PAPER.with_changes(filters="taps", gate=1.0, eps=VISIBLE)
    ours, theirs = (initial_module(parse_id("eSR-TR_s2_K3_C2"), 0) for _ in range(2))
    descent = Optimiser(ours, recipe)
    adam = torch.optim.Adam(theirs.parameters(), lr=0.01, betas=recipe.betas, eps=recipe.eps)
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for step in range(5):
        descent.zero_gradients()
        ours(x).square().mean().backward()
        descent.step(step, 0.01)
        adam.zero_grad()
        theirs(x).square().mean().backward()
        adam.step()
    torch.testing.assert_close(flat(ours), flat(theirs), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_pack_adds_the_same_epsilon_as_the_reference(compiled: bool) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (32, 32), np.uint8)
    images = ImageSet("train", ("noise.png",), (pixels,))
    recipe = recipe_for("smoke").with_changes(steps=4, warmup=0, batch=2, patch=8, eps=VISIBLE)
    configs = [parse_id("eSR-MAX_s2_K3_C2"), parse_id("eSR-TM_s2_K3_C2")]
    together = train_pack([Member(config, 3) for config in configs], recipe, images, compiled=compiled)
    for config, one in zip(configs, together, strict=True):
        assert not isinstance(one, Exception), one
        alone = train(config, recipe, images, 3)
        torch.testing.assert_close(flat(one.module), flat(alone.module), atol=2e-5, rtol=1e-3)
        without = train(config, recipe.with_changes(eps=1e-8), images, 3)
        assert (flat(without.module) - flat(alone.module)).abs().max() > 1e-3, "the epsilon must be seen here"


@pytest.mark.parametrize("config", ["ESPCN_s2_D8_S8", "eSR-CNN_s2_C2_D3_S6"])
def test_a_start_fitted_to_patches_without_any_detail_is_finite(config: str) -> None:
    grey = ImageSet("grey", ("a.png",), (np.full((64, 64), 128, np.uint8),))
    recipe = recipe_for("smoke").with_changes(batch=4, patch=16)
    sampler = PatchSampler(grey, 2, recipe.patch, recipe.batch, 0, "cpu")
    from workers.training.initialisation import fit

    low, high = sampler.batch(0)
    module = initial_module(parse_id(config), 0)
    fit(module, low, high)
    assert torch.isfinite(flat(module)).all()
    with torch.no_grad():
        assert torch.isfinite(module(low)).all()
