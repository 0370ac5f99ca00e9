"""The update rule: cosine coefficients, gates, and Adam where there is neither."""

from __future__ import annotations

import pytest
import torch

from search_space import parse_id
from search_space.errors import SweepError
from workers.training.optimiser import Optimiser, cosine_basis, flat, rule_of
from workers.training.recipe import recipe_for
from workers.training.train import initial_module

PAPER = recipe_for("paper")


@pytest.mark.parametrize("side", [1, 3, 5, 7])
def test_the_basis_is_orthonormal_and_its_first_pattern_is_flat(side):
    basis = cosine_basis(side)
    torch.testing.assert_close(basis.T @ basis, torch.eye(side**2, dtype=torch.float64))
    assert float(basis[:, 0].std(correction=0)) < 1e-12


@pytest.mark.parametrize("config", ["eSR-TR_s2_K5_C3", "eSR-CNN_s3_C2_D3_S6", "ESPCN_s2_D4_S12"])
def test_coefficients_turn_back_into_taps(config):
    module = initial_module(parse_id(config), 0)
    rule, taps = rule_of(module, PAPER), flat(module)
    torch.testing.assert_close(rule.to_taps(rule.to_coefficients(taps)), taps, atol=1e-6, rtol=1e-5)
    assert bool(rule.turned) == config.startswith("eSR")


@pytest.mark.parametrize(
    ("config", "share"), [("eSR-MAX_s2_K3_C4", 0), ("eSR-TM_s2_K3_C4", 1 / 2), ("eSR-TR_s2_K3_C4", 2 / 3)]
)
def test_gates_move_faster_than_values(config, share):
    multiplier = rule_of(initial_module(parse_id(config), 0), PAPER).multiplier
    fast = multiplier == PAPER.gate
    assert float(fast.float().mean()) == pytest.approx(share)
    assert bool((multiplier[~fast] == 1).all())


def test_without_turned_filters_and_gates_a_step_is_adams():
    recipe = PAPER.with_changes(filters="taps", gate=1.0)
    ours, theirs = (initial_module(parse_id("eSR-TR_s2_K3_C2"), 0) for _ in range(2))
    optimiser = Optimiser(ours, recipe)
    adam = torch.optim.Adam(theirs.parameters(), lr=0.01, betas=recipe.betas, eps=recipe.eps)
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for step in range(5):
        optimiser.zero_gradients()
        ours(x).square().mean().backward()
        optimiser.step(step, 0.01)
        adam.zero_grad()
        theirs(x).square().mean().backward()
        adam.step()
    torch.testing.assert_close(flat(ours), flat(theirs), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("change", "says"), [({"filters": "wavelets"}, "unknown filters"), ({"gate": 0.0}, "gate")])
def test_a_rule_that_makes_no_sense_is_refused(change, says):
    with pytest.raises(SweepError, match=says):
        PAPER.with_changes(**change)
