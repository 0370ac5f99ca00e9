"""Nodes that are broken, leave or fall silent, on real Ray nodes of this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def told() -> Any:
    command = [sys.executable, "-m", "tests.sweep_tests.executors.real_nodes"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_a_node_whose_device_cannot_compute_is_named_with_its_reason_and_the_others_work(told):
    (words,) = told["given_up"]
    assert told["broken"] in words and "cuda cannot compute" in words
    assert told["free"] == 2


def test_the_pack_of_a_draining_node_stops_with_its_state_and_the_node_gets_no_other(told):
    assert told["drained"] == [[True, None, 0]] and told["states"] == [True]
    assert told["free_while_draining"] == 0


def test_a_worker_that_does_not_answer_is_given_up_soon(told):
    assert told["silent"] == [["worker-lost", "its worker did not answer for 8 s"]]
    assert told["silent_after"] < 25


def test_a_worker_that_was_killed_is_lost_and_memory_is_not_blamed(told):
    assert told["killed"] == ["worker-lost"]
