"""Each tracker really writes, and its own programs read what it wrote. Skips where its package is not installed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from results_db.records import SweepRow
from results_db.store import Store
from sweep.tracking.tracking import track_stored
from tests.analysis_tests.browser import chromium
from tests.sweep_tests.tracking.kit import RESUME, trained


@pytest.fixture(scope="module")
def sweep_row(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, SweepRow]]:
    with Store.open(tmp_path_factory.mktemp("tracked") / "s.db") as store:
        yield store, trained(store, 2)


@pytest.fixture(scope="module")
def mlflow_folder(sweep_row, tmp_path_factory) -> Path:
    """A local ``mlruns`` with the sweep in it, told twice."""
    pytest.importorskip("mlflow", reason="needs the extra mlflow")
    folder = tmp_path_factory.mktemp("mlflow") / "mlruns"
    for _ in range(2):
        assert track_stored(*sweep_row, f"mlflow={folder}", RESUME) == 2
    return folder


def test_mlflow_has_a_run_per_trial_below_that_of_the_sweep(mlflow_folder):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{mlflow_folder}/mlflow.db")
    experiment = client.get_experiment_by_name("tiny")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"tiny", "eSR-MAX_s2_K3_C1-seed0", "eSR-MAX_s2_K3_C2-seed0"}, "told twice, there once"
    parent, run = runs["tiny"], runs["eSR-MAX_s2_K3_C2-seed0"]
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (run.data.params["family"], run.data.params["C"]) == ("eSR-MAX", "2")
    assert run.data.metrics["fps/board/eager-fp32"] == 21.0 and run.data.metrics["psnr/test"] > 0
    curve = client.get_metric_history(run.info.run_id, "training/loss")
    steps = [point.step for point in curve]
    assert len(steps) > 1 and steps == sorted(set(steps)), "each point of the curve is there once"
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["eSR-MAX_s2_K3_C2.safetensors"]
    assert (parent.info.status, run.info.status) == ("FINISHED", "FINISHED")
    assert parent.data.params["patch"] == "8" and parent.data.metrics["done"] == 2


@pytest.mark.slow
def test_mlflows_own_page_shows_the_runs(mlflow_folder):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{mlflow_folder}/mlflow.db")
    experiment = client.get_experiment_by_name("tiny").experiment_id
    child = client.search_runs([experiment], "params.C = '2'")[0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asked = ["--backend-store-uri", f"sqlite:///{mlflow_folder}/mlflow.db", "--port", str(port), "--workers", "1"]
    with subprocess.Popen([sys.executable, "-m", "mlflow", "server", *asked], stderr=subprocess.PIPE) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, server)
            with chromium() as tab:
                tab.page.set_default_timeout(180_000)
                tab.page.goto(f"{address}/#/experiments/{experiment}/runs?workflowType=machine_learning")
                # The sweep's run and those of its trials, once the page has asked for them.
                tab.until("document.body.innerText.includes('3 matching runs')")
                tab.page.goto(f"{address}/#/experiments/{experiment}/runs/{child.info.run_id}")
                tab.page.get_by_text("psnr/test").first.wait_for()
                assert child.info.run_name in tab.page.inner_text("body")
                if keep := os.environ.get("EDGE_SWEEP_SCREENSHOTS"):
                    tab.page.screenshot(path=f"{keep}/mlflow.png")
        finally:
            server.terminate()


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            assert server.poll() is None and time.monotonic() < limit, "mlflow's server does not answer"
            time.sleep(0.5)


def test_tensorboard_reads_the_curves_numbers_and_fields(sweep_row, tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs the extra tensorboard"
    )
    for _ in range(2):
        track_stored(*sweep_row, f"tensorboard={tmp_path}", RESUME)
    folder = tmp_path / "tiny" / "eSR-MAX_s2_K3_C1-seed0"
    assert len(list(folder.iterdir())) == 1, "told twice, written once"
    read = accumulator.EventAccumulator(str(folder))
    read.Reload()
    curve = read.Scalars("training/loss")
    assert len(curve) > 1 and all(point.value > 0 for point in curve)
    assert read.Scalars("fps/board/eager-fp32")[0].value == 20.0
    assert "_hparams_/session_start_info" in read.SummaryMetadata.__self__._plugin_to_tag_to_content["hparams"]


@pytest.mark.slow
def test_wandb_writes_offline_runs_that_its_own_schema_reads(sweep_row, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs the extra wandb")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.delenv("WANDB_MODE", raising=False)
    track_stored(*sweep_row, f"wandb={tmp_path}", RESUME)
    files = sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 3, "two trials and the sweep"
    names, keys = set(), set()
    for file in files:
        for record in _whole(file, wandb_internal_pb2.Record):
            if record.HasField("run") and record.run.display_name:
                names.add((record.run.display_name, record.run.run_group))
            keys |= {item.key or ".".join(item.nested_key) for item in record.history.item}
    assert names == {(name, "tiny") for name in ("tiny", "eSR-MAX_s2_K3_C1-seed0", "eSR-MAX_s2_K3_C2-seed0")}
    assert {"training/loss", "training/step"} <= keys


def _whole(file: Path, schema: Any) -> list[Any]:
    """The records of a file, once W&B's own process has written the last of them."""
    limit = time.monotonic() + 60
    while True:
        records = []
        for data in _records(file.read_bytes()):
            records.append(schema())
            records[-1].ParseFromString(data)
        if records and records[-1].HasField("exit"):
            return records
        assert time.monotonic() < limit, f"{file} has no end"
        time.sleep(0.2)


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a .wandb file: after a header of 7 bytes LevelDB's log format, blocks of 32 KiB."""
    place, whole = 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        whole += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # the only or the last part of a record
            yield whole
            whole = b""
