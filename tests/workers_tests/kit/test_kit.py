import hashlib
import json
import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from results_db.store import Store
from search_space import parse_id
from search_space.errors import BadData
from search_space.facts import Speed
from sweep.cli.main import app
from workers.benchmark import QHD5
from workers.kit import board
from workers.kit.bundle import CARRIED, Model, bundle
from workers.kit.document import canonical
from workers.kit.receive import NotMeasured, read_results
from workers.sensors import Sensors
from workers.timing.float32 import TF32_OVERRIDE
from workers.timing.sensor_summary import SENSED

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


@pytest.fixture(scope="module")
def half_good(tmp_path_factory: pytest.TempPathFactory, kit: Path) -> Path:
    """A kit whose first model no runtime can load."""
    with zipfile.ZipFile(kit) as archive:
        good = archive.read("models/Bicubic_s2.fp32.onnx")
    path = tmp_path_factory.mktemp("half") / "kit.zip"
    models = [
        Model("eSR-TM_s2_K3_C1", 2, "fp32", b"no graph", "trained"),
        Model("Bicubic_s2", 2, "fp32", good, "starting"),
    ]
    bundle(models, models[1], TINY, path)
    return path


def run(kit: Path, out: Path, *more: str, threads: str = "1") -> subprocess.CompletedProcess[str]:
    """On a board: an empty folder, no way to our packages, and no torch."""
    (out.parent / "sitecustomize.py").write_text(BLOCK_TORCH)
    environment = {**os.environ, "PYTHONPATH": str(out.parent), "PYTHONNOUSERSITE": "1"}
    return subprocess.run(
        [sys.executable, str(kit), "--out", str(out), "--device", "board", "--threads", threads, *more],
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
    received = read_results(results, kit=kit)
    assert [s.config for s in received.speeds] == ["Bicubic_s2", "eSR-MAX_s3_K3_C2"]
    assert received.failed == ()
    for speed in received.speeds:
        assert (speed.device, speed.backend, speed.protocol) == ("board", "onnxruntime", "96x96x2-t1")
        assert speed.runs >= TINY.timed


def test_whatever_a_board_does_not_tell_has_a_reason(results: Path) -> None:
    for speed in read_results(results).speeds:
        for name in SENSED:
            value = getattr(speed, name) if hasattr(speed, name) else speed.detail[name]
            assert (value is None) == bool(speed.detail["missing"].get(name)), name
            assert value != 0


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the peak cannot be reset here")
def test_a_board_measures_the_memory_of_a_network(results: Path) -> None:
    for speed in read_results(results).speeds:
        assert speed.memory_mib is None or 0 < speed.memory_mib < 4096
        assert speed.memory_mib is not None or "clear_refs" not in speed.detail["missing"]["memory_mib"]


def test_one_model_that_cannot_load_does_not_stop_the_kit_and_is_tried_again(half_good: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    first = run(half_good, out)
    assert first.returncode == 1, first.stderr
    assert "eSR-TM_s2_K3_C1 (fp32) was not measured: " in first.stderr
    received = read_results(out, kit=half_good)
    assert [s.config for s in received.speeds] == ["Bicubic_s2"]
    assert [(one.config, one.precision) for one in received.failed] == [("eSR-TM_s2_K3_C1", "fp32")]
    again = run(half_good, out)
    assert again.returncode == 1
    assert "1 of 2 models to measure" in again.stdout
    assert read_results(out) == received


def test_a_model_that_failed_does_not_keep_a_limit_from_the_others(half_good: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    nothing = run(half_good, out, "--limit", "1")
    assert (nothing.returncode, json.loads(out.read_text())["results"]) == (1, [])
    with pytest.raises(BadData, match=r"holds no results: eSR-TM_s2_K3_C1: "):
        read_results(out)
    run(half_good, out, "--limit", "1")
    assert [s.config for s in read_results(out).speeds] == ["Bicubic_s2"]


def test_a_model_that_stops_on_the_way_does_not_cost_the_others(
    kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit, seen = board.Network.visit, list[board.Network]()

    def tired(network: board.Network, frames: int) -> tuple[float, ...]:
        seen.extend([network] if network not in seen else [])
        # The reference is the first that is visited; the next stops in the second round.
        if seen.index(network) == 1 and network.cpu:
            raise RuntimeError("out of memory\nhere")
        return visit(network, frames)

    monkeypatch.setenv("EDGE_SWEEP_KIT", str(kit))
    monkeypatch.setattr(board.Network, "visit", tired)
    out = tmp_path / "r.json"
    assert board.run(board.parse(["--out", str(out), "--device", "board", "--threads", "1"])) == 1
    received = read_results(out, kit=kit)
    assert [s.config for s in received.speeds] == ["eSR-MAX_s3_K3_C2"]
    assert [(one.config, one.reason) for one in received.failed] == [("Bicubic_s2", "out of memory here")]


def test_another_number_of_threads_is_another_figure(kit: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    run(kit, out, "--limit", "1", threads="2")
    (speed,) = read_results(out).speeds
    assert (speed.protocol, speed.detail["threads"]) == ("96x96x2-t2", 2)


def test_a_kit_without_threads_has_the_protocol_of_its_manifest(kit: Path, tmp_path: Path) -> None:
    args = board.parse(["--out", str(tmp_path / "r.json")])
    fresh = board.start(board.Kit(kit), args)
    assert fresh["protocol"]["name"] == "96x96x2"
    assert fresh["threads"] == args.threads >= 1


@pytest.mark.parametrize(("provider", "device"), [("cpu", "cpu"), ("cuda", "cuda"), ("tensorrt", "cuda")])
def test_a_kit_on_a_gpu_reads_the_sensors_of_the_gpu(
    provider: str, device: str, kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Broken:
        def __init__(self, *_: object) -> None:
            raise RuntimeError("no such provider\nhere")

    def sensors(compute: str) -> Sensors:
        asked.append(compute)
        return Sensors()

    monkeypatch.setenv("EDGE_SWEEP_KIT", str(kit))
    monkeypatch.setattr(board, "find_sensors", sensors)
    monkeypatch.setattr(board, "Network", Broken)
    with pytest.raises(board.Refused, match="the reference Bicubic_s2 cannot run here: no such provider here"):
        board.run(board.parse(["--out", str(tmp_path / "r.json"), "--provider", provider]))
    assert asked == [device]


@pytest.mark.parametrize(("provider", "options"), [("cuda", {"use_tf32": 0}), ("tensorrt", {})])
def test_a_kit_on_a_gpu_measures_float32_that_is_float32(
    provider: str, options: dict[str, int], kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    asked = []

    def session(model: bytes, settings: object, providers: list[object]) -> object:
        asked.append(providers)
        raise RuntimeError("this machine has no GPU")

    monkeypatch.setenv("EDGE_SWEEP_KIT", str(kit))
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.delenv(TF32_OVERRIDE, raising=False)
    arguments = board.parse(["--out", str(tmp_path / "r.json"), "--provider", provider])
    if provider == "tensorrt":
        with pytest.raises(board.Refused, match=f"{TF32_OVERRIDE}=0"):
            board.run(arguments)
        monkeypatch.setenv(TF32_OVERRIDE, "0")
    with pytest.raises(board.Refused, match="no GPU"):
        board.run(arguments)
    assert asked == [[(board.PROVIDERS[provider], options)]]


@pytest.mark.parametrize(
    ("provider", "backend"), [("cpu", "onnxruntime"), ("cuda", "onnxruntime"), ("tensorrt", "tensorrt")]
)
def test_a_kits_figure_has_the_backend_that_benchmark_would_name(
    provider: str, backend: str, results: Path, tmp_path: Path
) -> None:
    from workers.backends import find

    document = json.loads(results.read_text()) | {"provider": provider}
    assert read_results(_signed(document, tmp_path)).speeds[0].backend == backend == find(backend).name


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_that_would_measure_nothing_is_refused(kit: Path, tmp_path: Path, limit: str) -> None:
    done = run(kit, tmp_path / "r.json", "--limit", limit)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--limit" in done.stderr


@pytest.mark.parametrize("threads", ["0", "-1", "99999"])
def test_a_number_of_threads_that_cannot_be_is_refused(kit: Path, tmp_path: Path, threads: str) -> None:
    done = run(kit, tmp_path / "r.json", threads=threads)
    assert (done.returncode, done.stdout) == (2, "")
    assert "threads cannot be used" in done.stderr


@pytest.mark.parametrize("place", ["nowhere/r.json", "folder", "file/r.json"])
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(
    kit: Path, tmp_path: Path, place: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    board_folder = tmp_path / "board"
    board_folder.mkdir()
    done = run(kit, board_folder / "r.json", "--out", str(tmp_path / place))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kit: ")
    assert len(done.stderr.splitlines()) == 1


ODD: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a list": lambda d: [],
    "a number": lambda d: 5,
    "no results": lambda d: {key: value for key, value in d.items() if key != "results"},
    "results that are none": lambda d: d | {"results": 5},
    "a line that is none": lambda d: d | {"results": [*d["results"], 5]},
    "a line without a config": lambda d: d | {"results": [{"precision": "fp32"}]},
    "a config that is a list": lambda d: d | {"results": [{"config": ["a"], "precision": "fp32"}]},
    "failures that are none": lambda d: d | {"failed": [None]},
}


@pytest.mark.parametrize("what", ODD)
def test_a_file_that_no_kit_wrote_is_not_continued(what: str, kit: Path, results: Path, tmp_path: Path) -> None:
    out = _signed(ODD[what](json.loads(results.read_text())), tmp_path)
    before = out.read_text()
    done = run(kit, out)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kit: ")
    assert "give another --out" in done.stderr
    assert out.read_text() == before


def test_a_file_that_was_changed_is_not_continued(kit: Path, results: Path, tmp_path: Path) -> None:
    document = json.loads(results.read_text())
    document["results"][0]["relative"] = 1.0
    (tmp_path / "r.json").write_text(json.dumps(document))
    done = run(kit, tmp_path / "r.json")
    assert done.returncode == 2
    assert "changed or cut" in done.stderr


def test_a_damaged_kit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kit.zip").write_bytes(b"PK")
    monkeypatch.setenv("EDGE_SWEEP_KIT", str(tmp_path / "kit.zip"))
    assert board.main(["--out", str(tmp_path / "r.json")]) == 2


def test_failures_of_a_board_come_back_with_its_figures(results: Path, tmp_path: Path) -> None:
    document = json.loads(results.read_text())
    line = {"config": "Bicubic_s3", "precision": "fp16", "sha256": "0" * 64, "reason": "no kernel"}
    received = read_results(_signed(document | {"failed": [line]}, tmp_path))
    assert received.failed == (NotMeasured("Bicubic_s3", "fp16", "no kernel"),)
    del document["failed"]
    assert read_results(_signed(document, tmp_path)).failed == ()


def test_an_import_reports_failures_and_ties_its_figures_with_those_stored_before(
    results: Path, tmp_path: Path
) -> None:
    document = json.loads(results.read_text())
    line = {"config": "Bicubic_s3", "precision": "fp32", "sha256": "0" * 64, "reason": "no kernel"}
    path, db = _signed(document | {"failed": [line]}, tmp_path), str(tmp_path / "s.db")
    stored = Speed("Bicubic_s4", "board", "onnxruntime", "fp32", "96x96x2-t1", 1.0, 1.0, 99.0, 1.0, 2)
    with Store.open(db) as store:
        store.add_speeds([stored])
    done = CliRunner().invoke(app, ["import-measurements", str(path), "--db", db, "--json"])
    assert done.exit_code == 0, done.output
    assert "not measured on the board: Bicubic_s3 (fp32): no kernel" in done.stderr
    found = json.loads(done.stdout)
    assert (found["new"], [one["config"] for one in found["failed"]]) == (2, ["Bicubic_s3"])
    with Store.open(db) as store:
        assert store.speeds(config="Bicubic_s4")[0].detail["tied_with"] == ["Bicubic_s2", "eSR-MAX_s3_K3_C2"]


def test_a_reason_that_the_file_does_not_give_is_said_to_be_missing(results: Path, tmp_path: Path) -> None:
    document = json.loads(results.read_text())
    for line in document["results"]:
        line.update(power_w=None, energy_j=None, missing={"power_w": "no sensor"})
    for speed in read_results(_signed(document, tmp_path)).speeds:
        assert speed.detail["missing"]["power_w"] == "no sensor"
        assert "no reason" in speed.detail["missing"]["energy_j"]


@pytest.mark.parametrize(
    ("protocol", "threads", "good"),
    [
        ({"name": "96x96x2"}, 4, True),
        ({"name": "96x96x2-t4"}, 4, True),
        ({"name": "96x96x2-t4"}, 2, False),
        ({"name": "96x96x2-t04"}, 4, False),
        ({"name": "96x96x2-cl"}, 4, False),
        ({"name": "96x96x14"}, 4, False),
        ({"name": "mine"}, 4, False),
        ({"name": "96x96x2-b2", "batch": 2}, 4, True),
        ({"name": "fullhd14", "width": 1920, "height": 1080, "rounds": 7, "frames": 2}, 4, True),
        ({"name": "fullhd14-t4", "width": 1920, "height": 1080, "rounds": 7, "frames": 2}, 4, True),
        ({"name": "fullhd14-t4", "width": 1920, "height": 1080, "rounds": 5, "frames": 2}, 4, False),
        ({"name": "fullhd14-t4"}, 4, False),
    ],
)
def test_a_protocols_name_must_mean_what_benchmark_means(
    protocol: dict[str, Any], threads: int, good: bool, results: Path, tmp_path: Path
) -> None:
    document = json.loads(results.read_text())
    document |= {"threads": threads, "protocol": document["protocol"] | protocol}
    path = _signed(document, tmp_path)
    if good:
        assert read_results(path).speeds[0].protocol == protocol["name"]
    else:
        with pytest.raises(BadData, match="protocol"):
            read_results(path)


def test_a_kit_resumes_where_it_stopped(kit: Path, tmp_path: Path) -> None:
    first = run(kit, tmp_path / "r.json", "--limit", "1")
    assert "1 of 2 models to measure" in first.stdout
    before = json.loads((tmp_path / "r.json").read_text())["results"]
    second = run(kit, tmp_path / "r.json")
    assert "1 of 2 models to measure" in second.stdout
    after = json.loads((tmp_path / "r.json").read_text())["results"]
    assert after[0] == before[0]
    assert len(after) == 2


def test_what_was_disturbed_can_be_measured_again(kit: Path, results: Path, tmp_path: Path) -> None:
    document = json.loads(results.read_text())
    document["results"][1]["disturbed"] = True
    document["results"][1]["seconds"] = [99.0] * TINY.timed
    out = _signed(document, tmp_path)
    assert "0 of 2 models to measure" in run(kit, out).stdout
    assert "1 of 2 models to measure" in run(kit, out, "--disturbed").stdout
    first, second = read_results(out, kit=kit).speeds
    assert first == read_results(results).speeds[0]
    assert (second.seconds_median or 99.0) < 99.0


def test_an_import_says_how_many_of_its_speeds_are_disturbed(results: Path, tmp_path: Path) -> None:
    document = json.loads(results.read_text())
    for line in document["results"]:
        line["disturbed"] = False
    document["results"][1]["disturbed"] = True
    path = _signed(document, tmp_path)
    done = CliRunner().invoke(app, ["import-measurements", str(path), "--db", str(tmp_path / "s.db")])
    told = " ".join(done.stderr.split())
    assert done.exit_code == 0 and "1 of 2 speeds disturbed" in told
    assert "repeat on board: python KIT.zip --disturbed" in told
    typed = shlex.split(told.partition("then here: ")[2])
    assert typed == [
        *["sweep", "import-measurements", "results.json", "--device", "board", "--db"],
        str(tmp_path / "s.db"),
    ]


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
    root = Path(__file__).resolve().parents[3]
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
    "an energy of 0": lambda d: d["results"][0].update(power_w=3.0, energy_j=0.0),
    "a memory of 0": lambda d: d["results"][0].update(memory_mib=0),
    "energy without power": lambda d: d["results"][0].update(power_w=None, energy_j=1.0),
    "throttling that is a word": lambda d: d["results"][0].update(throttled="heat"),
    "reasons that are a list": lambda d: d["results"][0].update(missing=[]),
    "a reason with a line break": lambda d: d["results"][0].update(missing={"power_w": "a\nb"}),
    "threads beyond any float": lambda d: d.update(threads=10**400),
    "a time beyond any float": lambda d: d["results"][0].update(seconds=[10**400]),
    "results that are a number": lambda d: d.update(results=5),
    "a line that is a number": lambda d: d.update(results=[5]),
    "a config that is a list": lambda d: d["results"][0].update(config=["a"]),
    "a precision that is a list": lambda d: d["results"][0].update(precision=["fp32"]),
    "a machine of lists": lambda d: d.update(machine={"a": [[]]}),
    "failures that are a number": lambda d: d.update(failed=5),
    "a failure without a reason": lambda d: d.update(failed=[d["results"][0]]),
    "a failure that is measured too": lambda d: d.update(failed=[d["results"][0] | {"reason": "no"}]),
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
def test_a_results_file_with_an_impossible_value_is_refused(
    what: str, results: Path, kit: Path, tmp_path: Path
) -> None:
    document = json.loads(results.read_text())
    HOSTILE[what](document)
    path = _signed(document, tmp_path)
    with pytest.raises(BadData):
        read_results(path)
    with pytest.raises(BadData):
        read_results(path, kit=kit)


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


def _signed(document: Any, folder: Path) -> Path:
    """The document as a results file whose digest is right."""
    if isinstance(document, dict):
        document["digest"] = hashlib.sha256(canonical(document)).hexdigest()
    (folder / "r.json").write_text(json.dumps(document))
    return folder / "r.json"


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
