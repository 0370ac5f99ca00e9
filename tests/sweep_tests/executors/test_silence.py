"""A worker that hangs is given up when nothing is heard of it, however long its pack may take."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.sweep_tests.kit import DATA, RECIPE
from workers.task import PackTask, TrialTask, run_pack

HANGS = """
import json, os, signal, time
import psutil, ray
from sweep.executors import by_name, cluster
from sweep.executors.actors import ActorExecutor
from tests.sweep_tests.kit import DATA, RECIPE
from workers.task import TrialTask, PackTask

cluster.connect("local")
executor = ActorExecutor(by_name.worker_data(DATA), most=1, silence_s=4.0)
while not executor.free():
    executor.poll(0.2)
members = (TrialTask(1, 1, "eSR-MAX_s2_K3_C1", 0),)
first = executor.submit(PackTask(members, RECIPE.to_json()), float("inf"))
while not executor.poll(0.2):
    pass
endless = RECIPE.with_changes(steps=10_000_000)
second = executor.submit(PackTask(members, endless.to_json()), float("inf"))
executor._workers[0].answer = ray.put((0, first, 10**9, []))  # asked for while the first pack ran
executor.poll(0.0)
assert executor.steps()[second] < 10**9
began = time.monotonic()
while time.monotonic() - began < 10:
    assert not executor.poll(0.2), "given up while it makes progress"
(worker,) = executor._workers
progress, steps = worker.progress, executor.steps()
worker = next(p for p in psutil.process_iter() if p.name().startswith("ray::PackWorker")
              and os.getpid() in [q.pid for q in p.parents()])
worker.send_signal(signal.SIGSTOP)
stopped = time.monotonic()
ended = []
while not ended and time.monotonic() - stopped < 60:
    ended = executor.poll(0.2)
print(json.dumps({"progress": progress, "steps": list(steps.values()), "lost": str(ended[0].lost),
                  "reason": ended[0].reason, "after": time.monotonic() - stopped}))
executor.close()
cluster.disconnect()
"""


@pytest.mark.slow
def test_a_worker_that_stands_still_is_given_up_and_one_that_works_is_not():
    done = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=200, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert 0 < told["steps"][0] <= told["progress"]
    assert told["progress"] > 0 and told["lost"] == "timeout" and told["reason"] == "no progress for 4 s"
    assert 2 < told["after"] < 30


def test_a_worker_gives_a_sign_for_each_member_it_measured():
    told: list[int] = []
    members = tuple(TrialTask(i, 1, f"eSR-MAX_s2_K3_C{i}", 0) for i in (1, 2))
    run_pack(PackTask(members, RECIPE.to_json()), DATA.train, DATA.tests, told.append)
    assert told == [1, 2, 3, 3, 3]
