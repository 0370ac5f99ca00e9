import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from typer.testing import CliRunner

from search_space import parse_id
from search_space.errors import BadData, BadWeights
from sweep.cli.main import app
from tests.search_space_tests.shared_material import shared
from workers.export.deployed_form import deployed
from workers.export.glsl import libplacebo, plan_of, shader
from workers.export.glsl.following import follow
from workers.export.glsl.shader import read_header
from workers.export.glsl.storage import stored_as_needed
from workers.export.metadata import Metadata
from workers.training.weights import load, to_bytes

FAMILIES = (
    "Bicubic_s{}", "Linear_s{}_K5", "eSR-MAX_s{}_K3_C2", "eSR-TM_s{}_K5_C3", "eSR-TR_s{}_K3_C2", "eSR-CNN_s{}_C2_D3_S6",
    "ESPCN_s{}_D6_S9", "FSRCNN_s{}_D6_S3_M1", "ABPN_s{}_D6_M1", "ECBSR_s{}_D5_M1", "ESPCN-BR_s{}_D0_S5",
)  # fmt: skip
ODD = (33, 45)
player = pytest.mark.skipif(libplacebo.device() is None, reason=libplacebo.NEEDS)


@cache
def network(name: str) -> nn.Module:
    torch.manual_seed(3)
    return parse_id(name).build().eval()


def text_of(name: str, form: str = "glsl", module: nn.Module | None = None) -> str:
    return shader(deployed(module or network(name)), Metadata.of(parse_id(name)), form)


def plane(bits: int, *, full: bool, size: tuple[int, int] = ODD) -> NDArray[np.int64]:
    """Smooth shades with sharp edges and noise, from black to white."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    shade = 0.5 + 0.4 * np.sin(columns / 4) * np.cos(rows / 5) + np.random.default_rng(0).normal(0, 0.05, size)
    shade[5:9, :] = 1.0
    shade[:, -3:] = 0.9
    low, high = (0, 255) if full else (16, 235)
    return np.rint(np.clip(low + (high - low) * shade, low, high) * (1 << (bits - 8))).astype(np.int64)


def wanted(module: nn.Module, codes: NDArray[np.int64], white: float) -> NDArray[np.float64]:
    with torch.inference_mode():
        x = torch.from_numpy(codes / white).float()[None, None]
        return module(x)[0, 0].double().clamp(0, 1).numpy() * white


def levels_off(names: list[str], form: str, bits: int, *, full: bool) -> dict[str, float]:
    """The largest difference from torch of each, in levels of 10 bits, border included."""
    codes, white = plane(bits, full=full), libplacebo.white(bits, full=full)
    made = libplacebo.run([(text_of(n, form), parse_id(n).scale) for n in names], codes, bits=bits, full=full)
    unit = 1023 / white
    return {
        name: unit * float(np.abs(got.clip(0, white) - wanted(network(name), codes, white)).max())
        for name, got in zip(names, made, strict=True)
    }


@player
@pytest.mark.parametrize(("turn", "bits", "full"), [(0, 8, False), (1, 8, True), (2, 10, False), (3, 10, True)])
def test_every_family_is_within_a_level_of_torch_border_included(turn: int, bits: int, *, full: bool) -> None:
    names = [family.format(2 + (place + turn) % 3) for place, family in enumerate(FAMILIES)]
    off = levels_off(names, "glsl", bits, full=full)
    assert max(off.values()) <= 1, off


@player
def test_the_fragment_form_gives_the_same() -> None:
    names = [family.format(2 + (place + 1) % 3) for place, family in enumerate(FAMILIES)]
    off = levels_off(names, "glsl-fragment", 10, full=False)
    assert max(off.values()) <= 1, off


@player
def test_a_player_that_shows_the_picture_in_its_own_size_leaves_it_alone() -> None:
    codes = plane(8, full=True)
    (same,) = libplacebo.run([(text_of("eSR-TM_s2_K5_C3"), 1)], codes, full=True)
    assert np.abs(same - codes).max() < 0.3


@player
def test_a_shader_that_no_player_takes_is_refused_with_the_reason() -> None:
    wrong = text_of("Bicubic_s2").replace("texelFetch", "texelGuess")
    with pytest.raises(BadData, match=r"libplacebo refuses a shader: .*texelGuess"):
        libplacebo.run([(wrong, 2)], plane(8, full=True), full=True)


@player
@pytest.mark.parametrize("name", ["FSRCNN_s2_D56_S1_M4", "ESPCN_s3_D22_S6"])
def test_networks_that_half_precision_would_spoil_are_stored_as_two_halves(name: str) -> None:
    config = parse_id(name)
    module = load(config, shared(f"published/model-files/{name}.model")).eval()
    plan = plan_of(deployed(module), config.scale)
    assert stored_as_needed(plan, module).fine
    codes = plane(8, full=False)
    with torch.inference_mode():
        x = torch.from_numpy(codes / 255).float()[None, None]
        roughly = float((follow(plan, x) - module(x).clamp(0, 1)).abs().max())
    for form in ("glsl", "glsl-fragment"):
        (got,) = libplacebo.run([(text_of(name, form, module), config.scale)], codes)
        # White of a 16-bit plane is code 255 and 255/256: the part above 255 is no level of 8 bits.
        off = np.abs(np.minimum(got, 255) - wanted(module, codes, 255)).max() / 255
        assert off < min(0.35 / 1023, roughly)


def test_following_a_plan_in_torch_is_the_network_but_for_what_is_stored() -> None:
    for place, family in enumerate(FAMILIES):
        name = family.format(2 + place % 3)
        x = torch.from_numpy(plane(8, full=True) / 255).float()[None, None]
        with torch.inference_mode():
            got = follow(plan_of(deployed(network(name)), 2 + place % 3), x)
            assert (got - network(name)(x).clamp(0, 1)).abs().max() < 1 / 1023, name


def test_one_layer_networks_are_one_pass_and_deep_ones_at_most_one_per_layer() -> None:
    for name in ("Bicubic_s3", "eSR-TM_s2_K5_C3", "eSR-TR_s4_K3_C2", "eSR-MAX_s3_K3_C2", "Linear_s2_K5"):
        assert text_of(name).count("//!HOOK LUMA") == 1
    assert text_of("FSRCNN_s2_D6_S3_M1").count("//!HOOK LUMA") == 3
    assert text_of("ESPCN_s2_D6_S9").count("//!HOOK LUMA") == 3


def test_the_header_says_what_the_shader_is_and_under_which_licence() -> None:
    metadata = Metadata.of(parse_id("eSR-TM_s2_K5_C3"), recipe="abc", psnr="Set5 36.00 dB (p)")
    text = shader(deployed(network("eSR-TM_s2_K5_C3")), metadata)
    items = read_header(text)
    assert Metadata.read(items, "file") == metadata
    assert "Apache-2.0" in items["edge_sweep.licence"]
    assert text.index("//!") > text.rindex("edge_sweep.")


class Doubled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def test_networks_without_a_shader_form_are_refused_by_name() -> None:
    for module, words in (
        (Doubled(), "Doubled has no shader form"),
        (nn.Sequential(nn.Conv2d(1, 4, 2), nn.PixelShuffle(2)), "odd square filters"),
        (nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GELU(), nn.PixelShuffle(2)), "GELU has no shader form"),
        (nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.PixelShuffle(2)), "4 sub-pixels"),
    ):
        with pytest.raises(BadData, match=words):
            plan_of(module, 2)
    broken = parse_id("Linear_s2_K3").build()
    torch.nn.init.constant_(next(broken.parameters()), float("inf"))
    with pytest.raises(BadWeights, match="not finite"):
        plan_of(deployed(broken), 2)


def test_a_users_own_row_of_layers_has_a_shader_form() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 5, 3, padding=1), nn.PReLU(5), nn.Conv2d(5, 9, 1), nn.PixelShuffle(3), nn.Sigmoid()
    ).eval()
    x = torch.rand(1, 1, 9, 11)
    with torch.inference_mode():
        assert (follow(plan_of(module, 3), x) - module(x)).abs().max() < 1 / 1023


@pytest.mark.parametrize("form", ["glsl", "glsl-fragment"])
def test_the_command_writes_a_shader_and_says_who_ran_it(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if form == "glsl-fragment":
        monkeypatch.setattr(libplacebo, "device", lambda: None)
    weights, out = tmp_path / "w.safetensors", tmp_path / "m.glsl"
    weights.write_bytes(to_bytes(network("eSR-TM_s2_K5_C3")))
    data = tmp_path / "photos"
    data.mkdir()
    from PIL import Image

    Image.fromarray(plane(8, full=True, size=(64, 80)).astype(np.uint8)).save(data / "a.png")
    args = ["export", "eSR-TM_s2_K5_C3", "-w", str(weights), "-f", form, "-o", str(out), "--data", str(data), "--json"]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["max_difference"] < 1 / 1023
    assert facts["ran_by"].startswith("libplacebo on " if libplacebo.device() else "torch pass by pass")
    assert read_header(out.read_text())["edge_sweep.psnr"].startswith(f"photos {facts['psnr_file']:.2f} dB")
    refused = CliRunner().invoke(app, [*args, "--fp16"])
    assert isinstance(refused.exception, BadData)
