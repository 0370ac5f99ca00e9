from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from search_space import parse_id
from search_space.architectures.bicubic import BicubicShuffle, BicubicTransposed
from search_space.architectures.ecbsr import EdgeBlock, EdgeBlockNet
from search_space.spaces import load_space, select
from tests.search_space_tests.shared_material import published

ONE_OF_EACH = select(load_space("extended").configs, sample=33, seed=1)


@pytest.mark.parametrize("config", ONE_OF_EACH, ids=str)
def test_a_network_maps_luma_to_s_times_its_size(config) -> None:  # type: ignore[no-untyped-def]
    net = config.build()
    for rows, columns in ((1, 1), (7, 12)):
        out = net(torch.rand(2, 1, rows, columns))
        assert out.shape == (2, 1, config.scale * rows, config.scale * columns)
        assert torch.isfinite(out).all()


@pytest.mark.parametrize("config", ONE_OF_EACH, ids=str)
def test_the_same_seed_builds_the_same_weights(config) -> None:  # type: ignore[no-untyped-def]
    def weights() -> torch.Tensor:
        torch.manual_seed(11)
        return torch.cat([t.flatten() for t in config.build().state_dict().values()])

    assert torch.equal(weights(), weights())


def test_every_released_model_file_here_loads_strictly() -> None:
    files = sorted(published("model-files").glob("*.model"))
    assert len(files) == 297
    for file in files:
        config = parse_id(file.stem)
        with torch.device("meta"):
            net = config.build() if config.family != "Bicubic" else None
        state = torch.load(file, map_location="cpu", weights_only=True)
        if net is None:
            config.build().load_state_dict(state, strict=True)
        else:
            net.load_state_dict(state, strict=True, assign=True)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_both_forms_of_bicubic_give_the_same_image(scale: int) -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 1, 13, 9)
    assert torch.allclose(BicubicTransposed(scale)(x), BicubicShuffle(scale)(x), atol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_keeps_a_flat_image_flat_away_from_the_border(scale: int) -> None:
    out = BicubicTransposed(scale)(torch.full((1, 1, 12, 12), 0.7))
    inside = out[..., 3 * scale : -3 * scale, 3 * scale : -3 * scale]
    assert torch.allclose(inside, torch.full_like(inside, 0.7), atol=1e-6)


@pytest.mark.parametrize("text", ["eSR-MAX_s2_K3_C4", "eSR-TM_s3_K5_C2", "eSR-TR_s4_K7_C1"])
def test_one_layer_nets_start_with_every_centre_tap_at_one(text: str) -> None:
    config = parse_id(text)
    weight = config.build().filter.weight
    middle = config.values["K"] // 2
    assert torch.equal(weight[:, 0, middle, middle], torch.ones(len(weight)))
    spread = weight.detach().clone()
    spread[:, 0, middle, middle] = 0
    assert spread.std() > 0


def test_esr_cnn_weighs_by_softmax_of_the_squared_key() -> None:
    net = parse_id("eSR-CNN_s2_C3_D2_S4").build()
    x = torch.rand(1, 1, 6, 6)
    value, key = net.pixel_shuffle(net.filter(x)).split(3, dim=1)
    expected = (value * torch.softmax(key**2, dim=1)).sum(dim=1, keepdim=True)
    assert torch.allclose(net(x), expected)


def test_bilinear_espcn_starts_from_bilinear_upscaling() -> None:
    net = parse_id("ESPCN-BR_s3_D4_S12").build()
    torch.nn.init.zeros_(net.net[-1].weight)
    torch.nn.init.zeros_(net.net[-1].bias)
    x = torch.rand(1, 1, 8, 10)
    expected = F.interpolate(x, scale_factor=3, mode="bilinear")
    assert torch.allclose(net(x)[..., 3:-3, 3:-3], expected[..., 3:-3, 3:-3], atol=1e-6)


def test_an_edge_block_is_the_sum_of_its_branches_at_the_border_too() -> None:
    torch.manual_seed(2)
    block = EdgeBlock(3, 5)
    torch.nn.init.normal_(block.edge_scale)
    x = torch.rand(2, 3, 7, 9)
    assert torch.allclose(block(x), block.branches(x), atol=1e-5)


def test_every_branch_of_an_edge_block_learns() -> None:
    net = EdgeBlockNet(2, 4, 1)
    net(torch.rand(1, 1, 8, 8)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_a_fused_edge_network_equals_the_trained_one_within_rounding() -> None:
    torch.manual_seed(3)
    net = EdgeBlockNet(3, 8, 2)
    for p in net.parameters():
        p.data.add_(0.1 * torch.randn_like(p))
    fused = net.fused()
    x = torch.rand(2, 1, 11, 6)
    assert torch.allclose(net(x), fused(x), atol=1e-5)
    assert sum(p.numel() for p in fused.parameters()) < sum(p.numel() for p in net.parameters())


def test_linear_starts_as_nearest_neighbour() -> None:
    x = torch.rand(1, 1, 5, 5)
    assert torch.allclose(parse_id("Linear_s2_K7").build()(x), F.interpolate(x, scale_factor=2, mode="nearest"))
