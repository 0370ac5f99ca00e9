"""Nodes that are broken, leave or fall silent, on real Ray nodes of this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, small_data: Path) -> Any:
    root = tmp_path_factory.mktemp("nodes") / "data"
    shutil.copytree(small_data, root)
    command = [sys.executable, "-m", "tests.sweep_tests.executors.real_nodes", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_what_was_found_is_said_first(told):
    assert told["said"] == ["3 nodes: 1 GPU, 3 CPUs; 1 GPU worker, 2 CPU workers"]


def test_a_sweep_takes_gpus_and_cpus_unasked_and_refuses_a_device_that_does_not_prove_itself(told):
    status, words = told["auto"]
    assert status == 0 and "2 of 2 done, 0 failed" in words
    assert "3 nodes: 1 GPU, 3 CPUs; 1 GPU worker, 2 CPU workers" in words
    refused = next(line for line in words.splitlines() if "given up" in line)
    assert told["broken"] in refused and "cuda cannot compute" in refused


def test_a_sweep_on_gpus_only_ends_with_the_reason_when_none_proves_itself(told):
    status, words = told["gpus_only"]
    assert status == 2 and "Traceback" not in words
    last = words.strip().splitlines()[-1]
    assert told["broken"] in last and "cuda cannot compute" in last and "--gpus-per-worker 0 trains on CPUs" in last


def test_a_node_whose_device_cannot_compute_is_named_with_its_reason_and_the_others_work(told):
    (words,) = told["given_up"]
    assert told["broken"] in words and "cuda cannot compute" in words
    assert told["free"] == 2


def test_the_pack_of_a_draining_node_stops_with_its_state_and_the_node_gets_no_other(told):
    assert told["drained"] == [[True, None, 0]] and told["states"] == [True]
    assert told["free_while_draining"] == 0


def test_a_worker_that_does_not_answer_is_given_up_soon(told):
    assert told["silent"] == [["worker-lost", "its worker did not answer for 8 s", False]]
    assert told["silent_after"] < 25


def test_a_worker_that_was_killed_is_lost_and_memory_is_not_blamed(told):
    assert told["killed"] == [["worker-lost", True]]


def test_a_worker_that_never_answers_is_replaced_soon_and_its_node_is_not_given_up_for_it(told):
    assert 8 <= told["stuck_after"] < 25
    assert told["free_after_stuck"] == 1
