"""A benchmark on a real Ray node: alone there, with our code, and clear about a cluster that is not."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import psutil
import pytest

from results_db.store import Store
from tests.sweep_tests.conftest import SWEEP, command

SMALL = ("--protocol", "qhd5", "--size", "96x96", "--device", "node", "--json")
BUSY = """
import json, sys, time
from unittest import mock
import ray
from sweep.executors.cluster import connect
from sweep.speed import on_ray_node
from sweep.speed.job import BenchmarkJob
from workers.benchmark import QHD5, varied

connect("local", 1)

@ray.remote(num_cpus=1)
def busy():
    time.sleep(4)
    return time.time()

other, said = busy.remote(), []
time.sleep(1)
job = BenchmarkJob(("Bicubic_s2",), "node", protocol=varied(QHD5, size=(96, 96)), compute="cpu")
with mock.patch.object(on_ray_node, "WAIT_NOTICE_S", 0.5):
    groups = [group for group, failed in on_ray_node.measure_on_node(job, said.append, address="local")]
end = ray.get(other)
print(json.dumps({"figures": sum(map(len, groups)), "said": said, "after_the_other": time.time() - end}))
"""


@pytest.fixture(autouse=True)
def _own_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_SWEEP_LOCK", str(tmp_path / "lock"))


def test_a_benchmark_on_a_ray_node_is_stored_like_any_other(tmp_path):
    db = str(tmp_path / "s.db")
    done = command("benchmark", "Bicubic_s2", "eSR-MAX_s3_K3_C2", "--address", "local", "--db", db, *SMALL)
    assert done.returncode == 0, done.stderr
    assert {one["config"] for one in json.loads(done.stdout)} == {"Bicubic_s2", "eSR-MAX_s3_K3_C2"}
    with Store.open(db) as store:
        assert {(one.config, one.device) for one in store.speeds()} == {
            ("Bicubic_s2", "node"),
            ("eSR-MAX_s3_K3_C2", "node"),
        }


def test_a_node_that_works_is_waited_for_and_that_is_said():
    done = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["figures"] == 1
    (said,) = [text for text in found["said"] if "has nothing else to do" in text]
    assert "others on the cluster hold 1 of 1 CPUs" in said
    # The benchmark takes longer than two seconds to learn the reference alone: it began when the other had ended.
    assert found["after_the_other"] > 2


@pytest.mark.parametrize(
    ("address", "line"),
    [("127.0.0.1:1", "the Ray cluster at 127.0.0.1:1 cannot be used"), ("nowhere", "unknown address 'nowhere'")],
)
def test_a_cluster_that_does_not_answer_gives_one_clear_line(address, line, tmp_path):
    done = command("benchmark", "Bicubic_s2", "--address", address, "--db", str(tmp_path / "s.db"), *SMALL)
    assert done.returncode == 2
    assert f"sweep: {line}" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_node_refuses_is_one_clear_line(tmp_path):
    wrong = ("--address", "local", "--precision", "int8", "--db", str(tmp_path / "s.db"), *SMALL)
    done = command("benchmark", "Bicubic_s2", *wrong)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "sweep: eager has no int8 (it has fp32, fp16, bf16)"
    assert "Traceback" not in done.stderr and "ray::" not in done.stderr


def command_line(process: psutil.Process) -> str:
    """Empty for a process that ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_a_node_that_dies_on_the_way_is_named_and_nothing_is_lost(tmp_path):
    db = str(tmp_path / "s.db")
    asked = ("benchmark", "--space", "demo", "--sample", "25", "--address", "local", "--db", db, *SMALL)
    with subprocess.Popen([SWEEP, *asked], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as sweep:
        worker, deadline = None, time.monotonic() + 60
        while worker is None and time.monotonic() < deadline:
            time.sleep(0.2)
            below = psutil.Process(sweep.pid).children(recursive=True)
            worker = next((process for process in below if "ray::_measure" in command_line(process)), None)
        assert worker is not None
        worker.kill()
        _, said = sweep.communicate(timeout=60)
    assert sweep.returncode == 2
    assert "lost the benchmark, what it had measured is stored" in said
    assert "Traceback" not in said
