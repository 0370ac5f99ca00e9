"""Packs as Ray Tune trials, actors reused between them. Tune schedules; retries and resume stay with the driver.

Tune wants all its trials at the start, the driver hands packs out as it claims them: a Tune trial here is a slot
that takes pack after pack from a queue until told to stop, so `reuse_actors` and Tune's resource handling serve
for the whole sweep at one start each.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import ray
from ray.util.queue import Empty, Queue

from search_space.facts import Failure
from sweep.executors.core import Finished, WorkerData
from workers.task import PackTask


def _slot(config: dict[str, Any]) -> None:
    """One Tune trial: serve packs until the queue says stop."""
    import torch
    from ray import tune

    from search_space import user_code
    from workers.task import failed, run_pack

    data: WorkerData = ray.get(config["data"])
    for code in data.user_code:
        user_code.install(code)
    torch.set_num_threads(data.threads)
    tasks, results = config["tasks"], config["results"]
    results.put((0, None))
    served = 0
    while True:
        ticket, task = tasks.get()
        if task is None:
            return
        results.put((ticket, "started"))
        try:
            outcomes: Any = tuple(run_pack(task, data.train, data.tests))
        except Exception as error:
            outcomes = tuple(failed(member, error, "tune") for member in task.members)
        results.put((ticket, outcomes))
        served += 1
        tune.report({"packs": served})


class TuneExecutor:
    """``tune.Tuner`` in a thread, one trial a slot. A lost trial is restarted by Tune; its pack times out here."""

    def __init__(self, data: WorkerData, cpus: float = 1.0, gpus: float = 0.0) -> None:
        # Tune's newer reporter prints a banner on stdout whatever `verbose` says; stdout belongs to --json.
        os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
        from ray import tune

        total = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self._slots = int(total.get("GPU", 0) / gpus) if gpus else int(total.get("CPU", 0) / cpus)
        self._tasks, self._results = Queue(actor_options={"num_cpus": 0}), Queue(actor_options={"num_cpus": 0})
        self._running: dict[int, tuple[PackTask, float]] = {}
        self._tickets = 0
        self._ready = 0
        config = {
            "data": ray.put(data),
            "tasks": self._tasks,
            "results": self._results,
            "slot": tune.grid_search(list(range(self._slots))),
        }
        tuner = tune.Tuner(
            tune.with_resources(_slot, {"cpu": cpus, "gpu": gpus}),
            param_space=config,
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(verbose=0, failure_config=tune.FailureConfig(max_failures=3)),
        )
        self._thread = threading.Thread(target=tuner.fit, name="tune", daemon=True)
        self._thread.start()

    def slots(self) -> int:
        """Tune trials."""
        return self._slots

    def free(self) -> int:
        """Trials that answered and have no pack."""
        return max(0, self._ready - len(self._running))

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Queue a pack for the next free trial."""
        self._tickets += 1
        self._running[self._tickets] = (task, time.monotonic() + timeout_s)
        self._tasks.put((self._tickets, task))
        return self._tickets

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        """Ended and overdue packs."""
        ended: list[Finished] = []
        try:
            ticket, message = self._results.get(timeout=timeout_s)
        except Empty:
            ticket, message = -1, None
        if ticket == 0:
            self._ready += 1
        elif ticket > 0 and message != "started" and self._running.pop(ticket, None):
            ended.append(Finished(ticket, message))
        for late in [t for t, (_, deadline) in self._running.items() if time.monotonic() > deadline]:
            del self._running[late]
            self._ready -= 1
            ended.append(Finished(late, lost=Failure.TIMEOUT, reason="no answer before the time-out"))
        return ended

    def steps_done(self) -> int:
        """Not known: Tune's trials report when a pack ends."""
        return 0

    def close(self, now: bool = False) -> None:
        """Ask every trial to stop; with ``now`` do not wait."""
        for _ in range(self._slots):
            self._tasks.put((0, None))
        if not now:
            self._thread.join(timeout=30)
