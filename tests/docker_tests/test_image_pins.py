"""What docker/Dockerfile installs: by hash, as constraints.txt pins it, for the documented GPUs and drivers."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
FILES = ("common.txt", "cuda.txt", "torch-cpu.txt", "torch.txt")


def pins(text: str) -> dict[str, str]:
    """Versions by name as pip compares names."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\n]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def requirements(name: str) -> str:
    return (ROOT / "docker" / "requirements" / name).read_text()


@pytest.mark.parametrize("name", FILES)
def test_each_package_of_the_image_has_a_hash(name: str):
    text = requirements(name)
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(text)) >= 1
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)


def test_pip_is_told_to_ask_for_hashes_of_all_but_a_torch_of_another_index():
    installs = re.findall(r"pip install (.*)", DOCKERFILE)
    hashed = [line for line in installs if "--require-hashes" in line]
    assert len(hashed) == 3 and all("--no-deps" in line for line in hashed)
    assert all(name in DOCKERFILE for name in FILES)
    (other_index, cloud, ours) = [line for line in installs if "--require-hashes" not in line]
    assert "--no-deps" in other_index and "torch" in other_index
    assert "CLOUD_SDK" in cloud and ours.startswith("--no-deps --no-build-isolation .")


def test_the_image_has_the_versions_that_are_tested():
    tested = pins((ROOT / "constraints.txt").read_text())
    shipped = {
        name: version for file in ("common.txt", "torch.txt") for name, version in pins(requirements(file)).items()
    }
    both = shipped.keys() & tested.keys()
    assert {name: shipped[name] for name in both} == {name: tested[name] for name in both}
    assert pins(requirements("torch-cpu.txt"))["torch"] == tested["torch"] + "+cpu"
    assert {"torch", "ray", "sqlalchemy", "psycopg", "onnxruntime"} <= both


def test_the_image_has_all_that_we_depend_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["onnx"], *extras["postgresql"]]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", line)[0]).lower() for line in wanted}
    shipped = {name for file in ("common.txt", "torch.txt") for name in pins(requirements(file))}
    assert names <= shipped, names - shipped


def test_base_image_torchs_libraries_and_guide_agree_on_cuda_and_its_driver():
    (toolkit,) = re.findall(r"^cuda-toolkit==(\d+)\.(\d+)", requirements("cuda.txt"), re.MULTILINE)
    assert re.findall(r"nvidia/cuda:(\d+)\.(\d+)", DOCKERFILE) == [toolkit]
    guide = (ROOT / "docs" / "cluster.md").read_text()
    assert f"CUDA {'.'.join(toolkit)}" in guide
    # https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
    assert {"13": "driver 580 or later"}[toolkit[0]] in guide
