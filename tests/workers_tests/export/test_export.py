import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

from search_space import parse_id
from search_space.config import Config
from search_space.errors import BadData, BadWeights
from sweep.cli.main import app
from tests.search_space_tests.shared_material import shared
from workers.data.embedded import embedded
from workers.data.image_set import ImageSet, read_folder
from workers.export import Metadata, export
from workers.export.check import onnx_runner, runner
from workers.export.quantise import LEAST_SNR, signal_to_noise
from workers.export.rounding import channel_steps, correction, rounded
from workers.quality.protocol import prepare
from workers.training.weights import load, to_bytes
from workers.upscale.model import onnx_metadata

pytest.importorskip("onnxruntime")
TM = parse_id("eSR-TM_s2_K3_C4")
RELEASED = (
    "eSR-TM_s2_K5_C4", "eSR-TM_s3_K5_C6", "eSR-TR_s2_K7_C4", "eSR-CNN_s2_C2_D1_S6", "ESPCN_s2_D2_S21",
    "FSRCNN_s2_D32_S12_M1", "eSR-MAX_s2_K5_C11", "FSRCNN_s4_D6_S1_M4", "FSRCNN_s2_D56_S1_M4",
)  # fmt: skip


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
    return export(TM, network, "onnx", images, recipe="abc123").data


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
    assert (about.recipe, about.precision) == ("abc123", "fp32")
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
    assert made.check.psnr_change > -0.5
    assert Metadata.read(onnx_metadata(made.data), "file").config == TM.id
    for size in ((1, 1), (1, 7), (5, 3)):
        x = torch.rand(1, 1, *size)
        with torch.inference_mode():
            assert np.abs(onnx_runner(made.data)(x.numpy()) - network(x).numpy()).max() < 0.05, size
    with pytest.raises(BadData, match="onnx only"):
        export(TM, network, "pt2", images, precision="int8")


@pytest.mark.parametrize("name", RELEASED)
def test_int8_loses_less_than_half_a_decibel_of_released_weights(name: str) -> None:
    images = read_folder(shared("datasets/Set5"))[0]
    config = parse_id(name)
    network = load(config, shared(f"published/model-files/{name}.model"))
    made = export(config, network, "onnx", images, precision="int8", calibration=embedded("embedded-train"))
    assert made.check.psnr_change > -0.5
    assert f"Set5 {made.check.psnr_file:.2f} dB" in Metadata.read(onnx_metadata(made.data), "file").psnr


def test_int8_keeps_what_a_trained_head_learnt(images: ImageSet) -> None:
    network = taught(parse_id("eSR-TM_s2_K5_C4"))
    made = export(parse_id("eSR-TM_s2_K5_C4"), network, "onnx", images, precision="int8")
    assert made.check.psnr_torch > 25
    assert made.check.psnr_change > -0.2


@pytest.mark.parametrize("form", ["onnx", "torchscript", "pt2", "safetensors"])
def test_the_psnr_inside_a_file_is_the_files_own(form: str, network: torch.nn.Module, images: ImageSet) -> None:
    made = export(TM, network, form, images, precision="int8" if form == "onnx" else "fp16")
    assert f"two {made.check.psnr_file:.2f} dB (".encode() in made.data


def test_a_file_that_lost_too_much_is_refused_unless_forced(
    tmp_path: Path, network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.export.exporting.to_int8", lambda onnx, images, psnr: broken(onnx))
    weights, out = tmp_path / "w.safetensors", tmp_path / "m.onnx"
    weights.write_bytes(to_bytes(taught(TM)))
    args = ["export", TM.id, "-w", str(weights), "--int8", "-o", str(out)]
    result = CliRunner().invoke(app, args)
    assert isinstance(result.exception, BadWeights)
    assert "limit -0.5" in str(result.exception)
    assert not out.exists()
    forced = CliRunner().invoke(app, [*args, "--force", "--json"])
    assert forced.exit_code == 0
    assert "warning: int8 loses" in forced.stderr
    psnr = Metadata.read(onnx_metadata(out.read_bytes()), "file").psnr
    assert f"{json.loads(forced.stdout)['psnr_file']:.2f} dB" in psnr


def test_weights_are_rounded_together_so_that_outputs_change_less_than_by_rounding_each() -> None:
    random = np.random.default_rng(0)
    weight = random.normal(size=(6, 1, 5, 5)).astype(np.float32)
    patches = random.random((25, 1)) * np.ones((25, 400)) + 0.05 * random.normal(size=(25, 400))
    steps = channel_steps(weight)
    nearest = rounded(weight, steps, np.eye(25))
    assert np.array_equal(nearest, np.rint(weight / steps[:, None, None, None]))

    def error(whole: NDArray[np.int8]) -> float:
        return float(np.square((whole.reshape(6, 25) * steps[:, None] - weight.reshape(6, 25)) @ patches).mean())

    assert error(rounded(weight, steps, patches @ patches.T)) < 0.2 * error(nearest)


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_filter_of_few_weights_keeps_its_gain_and_its_mean(has_bias: bool) -> None:
    random = np.random.default_rng(0)
    weight = random.normal(size=(4, 1, 3, 3)).astype(np.float32)
    patches = 0.6 + 0.1 * random.normal(size=(9, 500))
    steps = 20 * channel_steps(weight)
    whole = rounded(weight, steps, np.eye(9))
    gain, offset = correction(weight, whole, steps, patches, has_bias=has_bias)
    wanted, made = weight.reshape(4, 9) @ patches, (whole.reshape(4, 9) * steps[:, None]) @ patches
    mended = made * gain[:, None] + offset[:, None]
    assert (np.square(mended - wanted).sum(1) < 0.5 * np.square(made - wanted).sum(1)).all()
    if has_bias:
        assert np.allclose(mended.mean(1), wanted.mean(1), atol=1e-6)
    else:
        assert not offset.any()


def test_an_input_whose_channels_differ_too_much_for_one_range_is_noticed() -> None:
    random = np.random.default_rng(0)
    patches = random.random((2, 500)) * [[1.0], [0.01]]
    weight = np.array([[[[0.0]], [[100.0]]]], dtype=np.float32)
    assert signal_to_noise(weight, patches, 1 / 255) < LEAST_SNR
    assert signal_to_noise(weight[:, ::-1].copy(), patches, 1 / 255) > 40


def test_int8_of_a_diverged_network_is_refused(network: torch.nn.Module, images: ImageSet) -> None:
    bad = parse_id("ESPCN_s2_D2_S3").build()
    torch.nn.init.constant_(next(bad.parameters()), float("nan"))
    with pytest.raises(BadWeights, match="not finite"):
        export(parse_id("ESPCN_s2_D2_S3"), bad, "onnx", images, precision="int8")


def taught(config: Config) -> torch.nn.Module:
    """A network after a few dozen steps on embedded photographs: its keys have learnt something."""
    torch.manual_seed(0)
    module = config.build()
    pair = prepare(embedded("embedded-train"), config.scale)[0]
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        (module(pair.lr[..., :48, :48]) - pair.hr[..., :96, :96] / 255).square().mean().backward()
        optimiser.step()
    return module.eval()


def broken(onnx: bytes) -> bytes:
    """The graph with every weight a quarter of what it was."""
    import onnx as package
    from onnx import numpy_helper

    model = package.load_from_string(onnx)
    for one in model.graph.initializer:
        value = numpy_helper.to_array(one)
        if value.dtype == np.float32:
            one.CopyFrom(numpy_helper.from_array(value / 4, one.name))
    out: bytes = model.SerializeToString()
    return out


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


def test_weights_of_another_config_and_a_file_for_a_folder_are_refused(tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(to_bytes(parse_id("eSR-TM_s3_K3_C4").build()))
    result = CliRunner().invoke(app, ["export", TM.id, "-w", str(weights), "-f", "torchscript"])
    assert isinstance(result.exception, BadWeights)
    weights.write_bytes(to_bytes(TM.build()))
    result = CliRunner().invoke(
        app, ["export", TM.id, "-w", str(weights), "-f", "torchscript", "-o", str(weights / "x.pt")]
    )
    assert isinstance(result.exception, BadData)


def test_the_python_lines_of_the_guide_read_an_exported_file(
    tmp_path: Path, network: torch.nn.Module, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "deploying.md").read_text()
    lines = re.search(r"\*\*In Python\*\*.*?```python\n(.*?)```", guide, re.DOTALL)
    assert lines is not None
    (tmp_path / "model.safetensors").write_bytes(export(TM, network, "safetensors", images).data)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(lines[1], names)
    module = names["module"]
    assert isinstance(module, torch.nn.Module)
    x = torch.rand(1, 1, 12, 14)
    assert torch.equal(module(x), network(x))
    assert not module.training
