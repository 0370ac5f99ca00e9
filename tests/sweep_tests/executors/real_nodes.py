"""Run as a program: an actor executor on three real Ray nodes of this machine, and what it says about their faults."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

import psutil
import ray
from ray.cluster_utils import Cluster

from sweep.executors import by_name
from sweep.executors.actors import ActorExecutor
from sweep.executors.core import Finished
from tests.sweep_tests.conftest import command
from tests.sweep_tests.kit import DATA, RECIPE
from workers.task import PackTask, TrialTask

ENDLESS = RECIPE.with_changes(steps=10_000_000)


def pack(trial: int, endless: bool = False) -> PackTask:
    recipe = ENDLESS if endless else RECIPE
    return PackTask((TrialTask(trial, 1, "eSR-MAX_s2_K3_C1", 0),), recipe.to_json(), checkpoint_every_s=0)


def until(executor: ActorExecutor, done: Any, seconds: float = 60) -> list[Finished]:
    ends: list[Finished] = []
    deadline = time.monotonic() + seconds
    while not done(ends) and time.monotonic() < deadline:
        ends += executor.poll(0.2)
    return ends


def process_of(worker: Any) -> psutil.Process:
    return psutil.Process(ray.get(worker.actor.pid.remote()))


def worker_processes() -> list[psutil.Process]:
    """Of the Ray nodes that this program started."""
    ours = psutil.Process().children(recursive=True)
    return [
        process
        for process in ours
        if process.name().startswith("ray::PackWorker") and process.status() != psutil.STATUS_ZOMBIE
    ]


def drain(node: str, seconds: float) -> None:
    from ray._raylet import GcsClient
    from ray.core.generated import autoscaler_pb2

    client = GcsClient(address=ray.get_runtime_context().gcs_address)
    reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    client.drain_node(node, reason, "spot notice", int((time.time() + seconds) * 1000))


def by_command(address: str, root: str, db: str, *more: str) -> tuple[int, str]:
    """A sweep of two configs by the command line: its exit status and what it told."""
    asked = ("run", "--space", "eSR-MAX", "--scale", "2", "--limit", "2", "--recipe", "smoke", "--no-benchmark")
    done = command(*asked, "--data-root", root, "--db", f"{root}/{db}", "--address", address, *more)
    return done.returncode, done.stderr


def main(root: str) -> None:
    told: dict[str, Any] = {}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    ray.init(address=cluster.address, log_to_driver=False)
    spot = cluster.add_node(num_cpus=1)
    # A node with a GPU that is not there: its driver is broken.
    broken = cluster.add_node(num_cpus=1, num_gpus=1)
    cluster.wait_for_nodes()
    # Long enough that the CPUs have not done all before the GPU's worker has shown what it cannot do.
    told["auto"] = by_command(cluster.address, root, "auto.db", "--steps", "20000")
    told["gpus_only"] = by_command(cluster.address, root, "gpus.db", "--gpus-per-worker", "1")
    said: list[str] = []
    executor = by_name.make_executor(
        "actors", by_name.worker_data(DATA), cluster.address, by_name.Workers(), said.append
    )
    assert isinstance(executor, ActorExecutor)
    executor.no_answer_s = 8.0
    told["said"] = said
    states: list[Any] = []
    executor.connect(lambda: False, states.extend)
    ends = until(executor, lambda ends: executor.free() == 2 and any(end.given_up for end in ends), 240)
    told["given_up"] = [end.given_up for end in ends if end.given_up]
    told["broken"] = broken.node_id[:8]
    told["free"] = executor.free()

    # A drained node's pack is stopped with its state, and it gets no other one.
    executor.submit(pack(1, endless=True), float("inf"))
    executor.submit(pack(2, endless=True), float("inf"))
    until(executor, lambda _: all(w.progress > 3 for w in executor._workers if w.ticket), 60)
    drain(spot.node_id, 120)
    ends = until(executor, lambda ends: bool(ends), 30)
    told["drained"] = [[end.node == spot.node_id, end.lost, len(end.outcomes)] for end in ends]
    told["states"] = [state.step > 0 for state in states]
    told["free_while_draining"] = executor.free()

    # A worker that does not answer at all is given up long before one without progress.
    (worker,) = [w for w in executor._workers if w.ticket]
    process = process_of(worker)
    process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    ends = until(executor, lambda ends: bool(ends), 40)
    told["silent"] = [[str(end.lost), end.reason, end.died] for end in ends]
    told["silent_after"] = time.monotonic() - began

    # A worker that dies by itself is lost; its node lives and says that memory was not the reason.
    until(executor, lambda _: executor.free() == 1, 300)
    executor.submit(pack(3, endless=True), float("inf"))
    (worker,) = [w for w in executor._workers if w.ticket]
    until(executor, lambda _: worker.progress > 3, 30)
    process_of(worker).kill()
    ends = until(executor, lambda ends: bool(ends), 40)
    told["killed"] = [[str(end.lost), end.died] for end in ends]

    # The worker that takes its place never answers: it is replaced, and its node is not given up for that.
    until(executor, lambda _: bool(worker_processes()), 60)
    (stuck,) = worker_processes()
    stuck.send_signal(signal.SIGSTOP)
    executor.start_no_answer_s, began = 8.0, time.monotonic()
    until(executor, lambda _: stuck not in worker_processes(), 40)
    told["stuck_after"] = time.monotonic() - began
    executor.start_no_answer_s = 60.0
    until(executor, lambda _: executor.free() == 1, 300)
    told["free_after_stuck"] = executor.free()
    executor.close()
    ray.shutdown()
    cluster.shutdown()
    print(json.dumps(told))


if __name__ == "__main__":
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    main(sys.argv[1])
