import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from search_space import parse_id
from search_space.errors import BadData
from sweep.cli.main import app
from workers.export.deployed_form import deployed
from workers.export.ncnn_files import NcnnRunner, to_ncnn
from workers.training.weights import to_bytes

needs = pytest.mark.skipif(
    find_spec("ncnn") is None or find_spec("pnnx") is None, reason="needs ncnn and pnnx: pip install 'edge-sweep[ncnn]'"
)


@needs
@pytest.mark.parametrize("name", ["eSR-TM_s2_K3_C4", "eSR-CNN_s3_C2_D1_S3", "FSRCNN_s4_D6_S3_M1"])
def test_ncnn_files_take_any_size(name: str) -> None:
    torch.manual_seed(0)
    network = parse_id(name).build().eval()
    run = NcnnRunner(*to_ncnn(deployed(network)))
    for size in ((24, 32), (17, 29)):
        x = torch.rand(1, 1, *size)
        with torch.inference_mode():
            assert np.abs(run(x.numpy()) - network(x).numpy()).max() < 1e-4


@needs
def test_the_command_writes_both_files_checked(tmp_path: Path) -> None:
    from PIL import Image

    data = tmp_path / "photos"
    data.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60), dtype=np.uint8)).save(data / "a.png")
    weights, out = tmp_path / "w.safetensors", tmp_path / "m.param"
    weights.write_bytes(to_bytes(parse_id("eSR-MAX_s2_K3_C2").build()))
    args = [
        "export",
        "eSR-MAX_s2_K3_C2",
        "-w",
        str(weights),
        "-f",
        "ncnn",
        "-o",
        str(out),
        "--data",
        str(data),
        "--json",
    ]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["ran_by"] == "ncnn"
    assert facts["bytes"] == out.stat().st_size + out.with_suffix(".bin").stat().st_size
    assert isinstance(CliRunner().invoke(app, [*args, "--fp16"]).exception, BadData)
