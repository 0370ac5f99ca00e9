import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from search_space import parse_id
from search_space.errors import BadData, BadWeights
from sweep.cli.main import app
from workers.embedded import embedded
from workers.export import Metadata, export
from workers.export.check import onnx_runner, runner
from workers.images import ImageSet
from workers.upscale.model import onnx_metadata
from workers.weights import load, to_bytes

pytest.importorskip("onnxruntime")
TM = parse_id("eSR-TM_s2_K3_C4")


@pytest.fixture(scope="module")
def images() -> ImageSet:
    whole = embedded("embedded-test")
    return ImageSet("two", whole.names[:2], tuple(p[:96, :120] for p in whole.pixels[:2]))


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return TM.build().eval()


@pytest.fixture(scope="module")
def onnx(network: torch.nn.Module, images: ImageSet) -> bytes:
    return export(TM, network, "onnx", images, recipe="abc123", psnr="two 30.00 dB").data


def test_onnx_takes_any_height_width_and_batch(onnx: bytes, network: torch.nn.Module) -> None:
    run = onnx_runner(onnx)
    for shape in ((1, 1, 17, 23), (3, 1, 8, 40)):
        x = torch.rand(shape)
        with torch.inference_mode():
            assert np.abs(run(x.numpy()) - network(x).numpy()).max() < 1e-5


def test_onnx_says_what_it_is_and_nothing_of_the_machine_it_was_made_on(onnx: bytes) -> None:
    items = onnx_metadata(onnx)
    about = Metadata.read(items, "file")
    assert (about.config, about.scale, about.receptive_field) == (TM.id, 2, 3)
    assert (about.recipe, about.psnr, about.precision) == ("abc123", "two 30.00 dB", "fp32")
    assert str(Path.cwd()).encode() not in onnx


@pytest.mark.parametrize("form", ["torchscript", "pt2", "safetensors"])
def test_every_other_format_gives_the_same_image_again(form: str, network: torch.nn.Module, images: ImageSet) -> None:
    made = export(TM, network, form, images)
    assert made.check.max_difference < 1e-5
    assert abs(made.check.psnr_change) < 1e-3
    if form != "safetensors":
        x = np.random.default_rng(0).random((1, 1, 19, 31), dtype=np.float32)
        assert runner(made.data, form, TM)(x).shape == (1, 1, 38, 62)


def test_half_precision_stays_close_and_says_so(network: torch.nn.Module, images: ImageSet) -> None:
    made = export(TM, network, "onnx", images, precision="fp16")
    assert 0 < made.check.max_difference < 1e-2
    assert Metadata.read(onnx_metadata(made.data), "file").precision == "fp16"


def test_int8_is_made_from_real_images_and_its_loss_is_told(network: torch.nn.Module, images: ImageSet) -> None:
    made = export(TM, network, "onnx", images, precision="int8")
    assert made.check.psnr_change > -3
    assert Metadata.read(onnx_metadata(made.data), "file").config == TM.id
    with pytest.raises(BadData, match="onnx only"):
        export(TM, network, "pt2", images, precision="int8")


def test_exported_weights_load_again_as_weights_of_their_config(network: torch.nn.Module, images: ImageSet) -> None:
    data = export(TM, network, "safetensors", images).data
    assert all(torch.equal(a, b) for a, b in zip(load(TM, data).parameters(), network.parameters(), strict=True))


def test_an_export_that_differs_from_torch_is_refused(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.export.exporting.deployed", lambda module: torch.nn.Upsample(scale_factor=2))
    with pytest.raises(BadWeights, match="differs from torch"):
        export(TM, TM.build().eval(), "torchscript", images)


def test_metadata_that_lies_about_the_scale_is_refused() -> None:
    items = Metadata.of(TM).items() | {"edge_sweep.scale": "4"}
    with pytest.raises(BadWeights, match="which eSR-TM_s2_K3_C4 has not"):
        Metadata.read(items, "file")
    with pytest.raises(BadWeights, match="does not say"):
        Metadata.read({}, "file")


def test_the_command_prints_difference_and_psnr_change_as_json(tmp_path: Path, network: torch.nn.Module) -> None:
    weights, out = tmp_path / "w.safetensors", tmp_path / "m.pt"
    weights.write_bytes(to_bytes(network))
    result = CliRunner().invoke(
        app, ["export", TM.id, "-w", str(weights), "-f", "torchscript", "-o", str(out), "--json"]
    )
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["config"] == TM.id
    assert figures["max_difference"] < 1e-5
    torch.jit.load(io.BytesIO(out.read_bytes()))


def test_weights_of_another_config_and_a_read_only_folder_are_refused(tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(to_bytes(parse_id("eSR-TM_s3_K3_C4").build()))
    result = CliRunner().invoke(app, ["export", TM.id, "-w", str(weights), "-f", "torchscript"])
    assert isinstance(result.exception, BadWeights)
    weights.write_bytes(to_bytes(TM.build()))
    result = CliRunner().invoke(
        app, ["export", TM.id, "-w", str(weights), "-f", "torchscript", "-o", str(tmp_path / "no" / "x.pt")]
    )
    assert isinstance(result.exception, BadData)
