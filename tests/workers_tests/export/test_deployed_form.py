import pytest
import torch
from torch import nn

from search_space import parse_id
from search_space.spaces import load_space
from workers.export.deployed_form import deployed, shuffled

IDS = [
    *(f"{f}_s{s}_K{k}_C{c}" for f in ("eSR-MAX", "eSR-TM", "eSR-TR") for s, k, c in ((2, 3, 1), (3, 5, 2), (4, 7, 5))),
    *("eSR-CNN_s2_C4_D5_S9", "eSR-CNN_s3_C1_D3_S6", "FSRCNN_s2_D6_S3_M1", "FSRCNN_s3_D6_S3_M1", "FSRCNN_s4_D6_S3_M1"),
    *("Bicubic_s2", "Bicubic_s3", "Bicubic_s4", "ESPCN_s2_D4_S12", "ECBSR_s2_D4_M1", "ABPN_s3_D4_M1"),
]


@pytest.mark.parametrize("name", IDS)
def test_the_deployed_form_gives_the_same_image(name: str) -> None:
    torch.manual_seed(1)
    module = parse_id(name).build().eval()
    x = torch.rand(2, 1, 13, 11)
    with torch.inference_mode():
        assert torch.allclose(deployed(module)(x), module(x), atol=4e-6)


def test_the_module_itself_is_left_as_it_was() -> None:
    module = parse_id("FSRCNN_s2_D6_S3_M1").build()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    deployed(module)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert any(isinstance(layer, nn.ConvTranspose2d) for layer in module.modules())


def test_one_template_computes_no_keys() -> None:
    module = deployed(parse_id("eSR-TR_s2_K3_C1").build())
    assert sum(value.numel() for value in module.parameters()) == 4 * 9


def test_two_templates_of_esr_tm_need_three_maps() -> None:
    module = deployed(parse_id("eSR-TM_s2_K3_C2").build())
    assert sum(value.numel() for value in module.parameters()) == 3 * 4 * 9


def test_every_family_has_a_deployed_form() -> None:
    x = torch.rand(1, 1, 8, 8)
    for config in load_space("demo").configs:
        assert deployed(config.build())(x).shape == (1, 1, 8 * config.scale, 8 * config.scale)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_transposed_convolution_with_bias_becomes_a_convolution_and_a_shuffle(scale: int) -> None:
    layer = nn.ConvTranspose2d(3, 1, 9, stride=scale, padding=4, output_padding=scale - 1)
    x = torch.rand(1, 3, 6, 7)
    assert torch.allclose(shuffled(layer)(x), layer(x), atol=1e-5)
