from __future__ import annotations

import pytest
import torch

from search_space import parse_id
from workers.training.initialisation import fit
from workers.training.train import initial_module


@pytest.mark.parametrize("name", ["ESPCN_s2_D4_S6", "ESPCN_s3_D0_S3", "eSR-CNN_s2_C2_D3_S6"])
def test_a_fit_to_patches_of_exactly_one_grey_gives_finite_weights(name: str) -> None:
    config = parse_id(name)
    module = initial_module(config, 0)
    side = 16 * config.scale
    fit(module, torch.full((8, 1, 16, 16), 0.5), torch.full((8, 1, side, side), 0.5))
    assert all(bool(torch.isfinite(weights).all()) for weights in module.parameters())
