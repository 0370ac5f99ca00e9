"""Of a process that ended, the counter of its node says whether the kernel killed it for its memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

ASKS = """
import json, os, pathlib, time
import ray
from sweep.executors import cluster, lost_worker
cluster.connect("local", 1)
place = ray.get_runtime_context().get_node_id()
counter = pathlib.Path(os.environ["COUNTER"])

def verdict(before, after, words="The actor died unexpectedly"):
    counter.write_text(str(after))
    inquest = lost_worker.Inquest.open(place, words, words)
    counters = {place: before}
    while (said := inquest.verdict(counters)) is None:
        time.sleep(0.1)
    return [None if said[0] is None else str(said[0]), said[1], counters.get(place)]

# In the place of the kernel's counter, which a test cannot raise without a group of its own.
source = "def count():\\n import pathlib\\n return int(pathlib.Path(" + repr(str(counter)) + ").read_text())"
exec(source)
lost_worker.oom_kills = count
told = {
    "killed": verdict(2, 3),
    "again": verdict(3, 3),
    "unknown": verdict(None, 3),
    "ray": verdict(3, 3, "Task was killed due to the node running out of memory."),
    "left": verdict(3, 3, "The actor died because its node has died."),
}
print(json.dumps(told))
cluster.disconnect()
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    environment = {**os.environ, "COUNTER": str(tmp_path_factory.mktemp("oom") / "counter")}
    done = subprocess.run([sys.executable, "-c", ASKS], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_a_counter_that_rose_makes_it_a_lack_of_memory_and_is_remembered(told):
    assert told["killed"] == ["oom", "the kernel killed its worker: the node is out of memory", 3]


def test_a_counter_that_did_not_rise_or_was_not_known_does_not(told):
    assert told["again"][0] == told["unknown"][0] == "worker-lost"


def test_what_ray_calls_a_lack_of_memory_is_one(told):
    assert told["ray"][0] == "oom"


def test_a_node_that_left_accuses_nobody(told):
    assert told["left"][:2] == [None, "its node is gone"]
