from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from search_space import parse_id
from search_space.errors import BadData, BadWeights, MissingExtra
from sweep.cli.main import app
from workers.data.image_set import ImageSet
from workers.export.deployed_form import deployed
from workers.export.tflite import TfliteRunner, pieces, to_tflite
from workers.training.weights import to_bytes

MISSING = find_spec("litert_torch") is None or find_spec("ai_edge_litert") is None
needs = pytest.mark.skipif(MISSING, reason="needs litert-torch and ai-edge-litert: pip install 'edge-sweep[tflite]'")


@needs
@pytest.mark.slow
@pytest.mark.parametrize("name", ["eSR-TM_s2_K3_C4", "eSR-MAX_s2_K3_C2", "eSR-CNN_s3_C2_D1_S3", "FSRCNN_s4_D6_S3_M1"])
def test_a_tflite_file_gives_what_torch_gives_and_takes_its_own_size_only(name: str) -> None:
    torch.manual_seed(0)
    network = parse_id(name).build().eval()
    run = TfliteRunner(to_tflite(deployed(network), (17, 29)))
    x = torch.rand(1, 1, 17, 29)
    with torch.inference_mode():
        assert np.abs(run(x.numpy()) - network(x).numpy()).max() < 1e-5
    with pytest.raises(BadWeights, match="takes"):
        run(np.zeros((1, 1, 29, 17), np.float32))


def test_pieces_have_the_size_that_is_asked_for() -> None:
    large, small = np.zeros((90, 70, 3), np.uint8), np.arange(40 * 50, dtype=np.uint8).reshape(40, 50)
    cut = pieces(ImageSet("set", ("a", "b"), (large, small)), 2, (30, 28))
    assert [one.shape for one in cut.pixels] == [(60, 56, 3), (60, 56)]
    assert np.array_equal(cut.pixels[1][40:, :50], small[:19:-1])


@needs
@pytest.mark.slow
def test_the_command_writes_a_checked_file(tmp_path: Path) -> None:
    weights, out = tmp_path / "w.safetensors", tmp_path / "m.tflite"
    weights.write_bytes(to_bytes(parse_id("eSR-MAX_s2_K3_C1").build()))
    args = ["export", "eSR-MAX_s2_K3_C1", "-w", str(weights), "-f", "tflite", "--size", "40x56", "-o", str(out)]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    assert "run by LiteRT" in result.output.replace("\n", " ")
    assert out.read_bytes()[4:8] == b"TFL3"
    run = TfliteRunner(out.read_bytes())
    assert run(np.zeros((1, 1, 56, 40), np.float32)).shape == (1, 1, 112, 80)


def test_what_does_not_exist_is_refused_and_a_missing_extra_is_named() -> None:
    args = ["export", "Bicubic_s2", "-f", "tflite"]
    for more in (["--fp16"], ["--size", "40"], ["--size", "0x8"]):
        assert isinstance(CliRunner().invoke(app, [*args, *more]).exception, BadData), more
    assert isinstance(CliRunner().invoke(app, ["export", "Bicubic_s2", "--size", "40x40"]).exception, BadData)
    if MISSING:
        missing = CliRunner().invoke(app, args)
        assert isinstance(missing.exception, MissingExtra)
        assert "edge-sweep[tflite]" in str(missing.exception)
