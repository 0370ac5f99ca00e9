import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search_space import parse_id
from search_space.errors import BadData
from workers.benchmark import QHD5
from workers.kit.board import canonical
from workers.kit.bundle import CARRIED, Model, bundle
from workers.kit.receive import read_results

pytest.importorskip("onnxruntime")
TINY = replace(QHD5, name="96x96x2", width=96, height=96, rounds=2, warm_seconds=0.2)
BLOCK_TORCH = "import sys; sys.modules['torch'] = sys.modules['psutil'] = None\n"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from workers.benchmark.subject import build
    from workers.export.exporting import onnx_for

    path = tmp_path_factory.mktemp("kit") / "kit.zip"
    configs = [parse_id("Bicubic_s2"), parse_id("eSR-MAX_s3_K3_C2")]
    models = [Model(c.id, c.scale, "fp32", onnx_for(c, build(c), "fp32", []), "starting") for c in configs]
    bundle(models, models[0], TINY, path)
    return path


def run(kit: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """On a board: an empty folder, no way to our packages, and no torch."""
    (out.parent / "sitecustomize.py").write_text(BLOCK_TORCH)
    environment = {**os.environ, "PYTHONPATH": str(out.parent), "PYTHONNOUSERSITE": "1"}
    return subprocess.run(
        [sys.executable, str(kit), "--out", str(out), "--device", "board", "--threads", "1", *more],
        capture_output=True,
        text=True,
        cwd=out.parent,
        env=environment,
        timeout=120,
    )


@pytest.fixture(scope="module")
def results(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("board") / "results.json"
    done = run(kit, out)
    assert done.returncode == 0, done.stderr
    return out


def test_a_kit_measures_without_torch_and_its_results_become_speeds(results: Path, kit: Path) -> None:
    speeds = read_results(results, kit=kit)
    assert [s.config for s in speeds] == ["Bicubic_s2", "eSR-MAX_s3_K3_C2"]
    for speed in speeds:
        assert (speed.device, speed.backend, speed.protocol) == ("board", "onnxruntime", "96x96x2")
        assert speed.runs == TINY.timed
        assert speed.power_w is not None or speed.detail["missing"]["power_w"]


def test_a_kit_resumes_where_it_stopped(kit: Path, tmp_path: Path) -> None:
    first = run(kit, tmp_path / "r.json", "--limit", "1")
    assert "1 of 2 models to measure" in first.stdout
    before = json.loads((tmp_path / "r.json").read_text())["results"]
    second = run(kit, tmp_path / "r.json")
    assert "1 of 2 models to measure" in second.stdout
    after = json.loads((tmp_path / "r.json").read_text())["results"]
    assert after[0] == before[0]
    assert len(after) == 2


def test_results_of_another_device_are_not_continued(kit: Path, results: Path) -> None:
    refused = run(kit, results, "--device", "other")
    assert refused.returncode == 2
    assert refused.stderr.startswith("kit: ")


@pytest.mark.parametrize("name", ["../evil.onnx", "/etc/passwd", "models/../../x.onnx", "models/.hidden.onnx"])
def test_a_kit_that_names_a_file_outside_its_models_is_refused(kit: Path, tmp_path: Path, name: str) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["models"][0]["file"] = name

    done = run(_changed(kit, tmp_path / "k.zip", change), tmp_path / "r.json")
    assert done.returncode == 2
    assert "no model" in done.stderr


def test_a_model_that_was_exchanged_is_refused(kit: Path, tmp_path: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["models"][1]["sha256"] = "0" * 64

    done = run(_changed(kit, tmp_path / "k.zip", change), tmp_path / "r.json")
    assert done.returncode == 2
    assert "SHA-256" in done.stderr


def test_a_kit_carries_every_module_its_runner_imports() -> None:
    root = Path(__file__).resolve().parents[2]
    for name in (*CARRIED, "workers/kit/board.py"):
        for line in (root / name).read_text().splitlines():
            if line.startswith(("from workers", "import workers")):
                module = line.split()[1].replace(".", "/")
                assert f"{module}.py" in CARRIED or f"{module}/__init__.py" in CARRIED, (name, line)


Change = Callable[[dict[str, Any]], object]
HOSTILE: dict[str, Change] = {
    "negative time": lambda d: d["results"][0].update(seconds=[-1.0]),
    "no times": lambda d: d["results"][0].update(seconds=[]),
    "a time that is a word": lambda d: d["results"][0].update(seconds=["fast"]),
    "a flag as time": lambda d: d["results"][0].update(seconds=[True]),
    "unknown config": lambda d: d["results"][0].update(config="eSR-XX_s2_K3_C2"),
    "a config that is a path": lambda d: d["results"][0].update(config="../../etc/passwd"),
    "impossible power": lambda d: d["results"][0].update(power_w=-3),
    "impossible temperature": lambda d: d["results"][0].update(temperature_c=5000),
    "a hash that is none": lambda d: d["results"][0].update(sha256="abc"),
    "the same model twice": lambda d: d["results"].append(d["results"][0]),
    "no results": lambda d: d.update(results=[]),
    "a device with a line break": lambda d: d.update(device="a\nb"),
    "a device of 10,000 letters": lambda d: d.update(device="a" * 10_000),
    "another format": lambda d: d.update(format="x"),
    "a name that means something else": lambda d: d["protocol"].update(name="fullhd14"),
    "an output of a million pixels a side": lambda d: d["protocol"].update(width=10**6),
    "a list as protocol": lambda d: d.update(protocol=[]),
    "a date that is none": lambda d: d["results"][0].update(measured_at="yesterday"),
    "a provider that is none": lambda d: d.update(provider="evil"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_results_file_with_an_impossible_value_is_refused(what: str, results: Path, tmp_path: Path) -> None:
    document = json.loads(results.read_text())
    HOSTILE[what](document)
    document["digest"] = hashlib.sha256(canonical(document)).hexdigest()
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(BadData):
        read_results(tmp_path / "r.json")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "[" * 100_000, '{"format": "edge-sweep-measurements/1", "format": 1}', '{"a": NaN}', "\x00\xff"],
)
def test_a_file_that_is_no_results_file_is_one_clean_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadData):
        read_results(tmp_path / "r.json")


def test_a_results_file_that_was_edited_is_refused(results: Path, tmp_path: Path) -> None:
    text = results.read_text().replace('"threads": 1', '"threads": 2')
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(BadData, match="changed or cut"):
        read_results(tmp_path / "r.json")


def test_results_of_another_kit_are_refused(results: Path, kit: Path, tmp_path: Path) -> None:
    other = _changed(kit, tmp_path / "k.zip", lambda manifest: manifest.update(created="2000-01-01"))
    with pytest.raises(BadData, match="not made with the kit"):
        read_results(results, kit=other)
    (tmp_path / "no.zip").write_bytes(b"x")
    with pytest.raises(BadData, match="is not a kit"):
        read_results(results, kit=tmp_path / "no.zip")


def _changed(kit: Path, to: Path, change: Change) -> Path:
    with zipfile.ZipFile(kit) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "manifest.json":
                manifest = json.loads(data)
                change(manifest)
                data = json.dumps(manifest).encode()
            new.writestr(name, data)
    return to
