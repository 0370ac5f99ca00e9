"""Packs through Ray Tune, with reused actors: a Tune trial is a slot that runs one pack after another.

Tune needs all its trials at the start, while the driver submits packs as it claims them, so a Tune trial takes packs
from a queue until it is told to stop. Tune places the slots and restarts a lost one (``FailureConfig``); this file
keeps track of which pack was lost with a slot, and of time-outs. docs/decisions/060 says why it is not the default.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.queue import Empty, Queue

from search_space.errors import SweepError
from search_space.facts import Checkpoint, Failure
from sweep.executors.core import Finished, WorkerData
from workers.task import PackTask

RESTARTS = 1000
"""How often Tune may restart a slot; whether a trial is retried is decided by our own retry policy."""


CLOSE_S, CLOSE_NOW_S = 30.0, 3.0
"""How long Tune may take to end its slots."""
STOP_CHECK_S = 1.0
"""Between two checks of a slot whether it should stop."""


class _StopFlag:
    """An actor that every slot asks whether it should stop."""

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set


def _stop_check(flag: Any) -> Callable[[], bool]:
    """Asks the flag at most once per ``STOP_CHECK_S``."""
    answer, asked = False, 0.0

    def check() -> bool:
        nonlocal answer, asked
        if not answer and time.monotonic() - asked >= STOP_CHECK_S:
            answer, asked = bool(ray.get(flag.is_set.remote())), time.monotonic()
        return answer

    return check


def _send_states(results: Any, slot: int, ticket: int, states: list[Checkpoint]) -> None:
    results.put(("states", slot, ticket, states))


def _slot(config: dict[str, Any]) -> None:
    """One Tune trial: run packs from the queue until there is a stop in it."""
    from ray import tune

    from workers.checkpointing import Checkpointing
    from workers.task import failed, run_pack

    data: WorkerData = ray.get(config["data"])
    images = data.prepare()
    slot, tasks, results = config["slot"], config["tasks"], config["results"]
    results.put(("ready", slot, 0, ()))
    served = 0
    while True:
        ticket, task = tasks.get()
        if task is None:
            return
        results.put(("started", slot, ticket, ()))
        send = partial(_send_states, results, slot, ticket)
        checkpointing = Checkpointing(task.checkpoint_every_s, send, _stop_check(config["stop"]))
        try:
            outcomes: Any = tuple(run_pack(task, images.train, images.tests, checkpointing=checkpointing))
        except Exception as error:
            outcomes = tuple(failed(member, error, "tune") for member in task.members)
        results.put(("ended", slot, ticket, outcomes))
        served += 1
        tune.report({"packs": served})


@dataclass
class _Running:
    deadline: float
    slot: int | None = None


class TuneExecutor:
    """``tune.Tuner`` in a thread, one trial per slot. Needs ``ray.init`` first."""

    reports_progress = False

    def __init__(self, data: WorkerData, cpus: float = 1.0, gpus: float = 0.0, most: int = 0) -> None:
        # Tune's newer reporter prints a banner on stdout in spite of `verbose`; stdout belongs to --json.
        os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
        os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
        from ray import tune

        total = ray.cluster_resources()  # type: ignore[no-untyped-call]
        room = int(total.get("GPU", 0) / gpus) if gpus else int(total.get("CPU", 0) / cpus)
        self._slots = min(room, most) if most else room
        self._device = "cuda" if gpus else "cpu"
        self._tasks, self._results = Queue(actor_options={"num_cpus": 0}), Queue(actor_options={"num_cpus": 0})
        kind: Any = ray.remote(_StopFlag)
        self._stop_flag = kind.options(num_cpus=0).remote()
        self._save: Callable[[Sequence[Checkpoint]], None] = lambda states: None
        self._running: dict[int, _Running] = {}
        self._tickets = 0
        self._ready: set[int] = set()
        self._folder = tempfile.mkdtemp(prefix="edge-sweep-tune-")
        config = {
            "data": ray.put(data),
            "tasks": self._tasks,
            "results": self._results,
            "stop": self._stop_flag,
            "slot": tune.grid_search(list(range(self._slots))),
        }
        self._tuner = tune.Tuner(
            tune.with_resources(_slot, {"cpu": cpus, "gpu": gpus}),
            param_space=config,
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(
                verbose=0,
                storage_path=self._folder,
                failure_config=tune.FailureConfig(max_failures=RESTARTS),
            ),
        )
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._fit, name="tune", daemon=True)
        self._thread.start()

    def _fit(self) -> None:
        try:
            self._tuner.fit()
        except BaseException as error:
            self._error = error

    def slots(self) -> int:
        """Tune trials."""
        return self._slots

    def free(self) -> int:
        """Slots that are ready and have no pack."""
        return max(0, len(self._ready) - len(self._running))

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Queue a pack for the next free slot."""
        self._tickets += 1
        self._running[self._tickets] = _Running(time.monotonic() + timeout_s)
        self._tasks.put((self._tickets, replace(task, device=self._device)))
        return self._tickets

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        """Ended, lost and overdue packs. Raises SweepError when Tune itself ended."""
        if not self._thread.is_alive():
            raise SweepError(f"Ray Tune ended: {self._error or 'no slot is left'}")
        ended: list[Finished] = []
        try:
            kind, slot, ticket, outcomes = self._results.get(timeout=timeout_s)
        except Empty:
            kind, slot, ticket, outcomes = "nothing", 0, 0, ()
        except RayError as error:
            raise SweepError(f"the Ray cluster is gone: {type(error).__name__}") from None
        if kind == "ready":
            ended += self._slot_ready(slot)
        elif kind == "started" and ticket in self._running:
            self._running[ticket].slot = slot
        elif kind == "states":
            self._save(outcomes)
        elif kind == "ended" and self._running.pop(ticket, None):
            ended.append(Finished(ticket, outcomes))
        now = time.monotonic()
        for late in [ticket for ticket, running in self._running.items() if now > running.deadline]:
            # The slot stays busy with the pack until Tune is stopped: it cannot be killed from here.
            self._ready.discard(self._running.pop(late).slot or 0)
            ended.append(Finished(late, lost=Failure.TIMEOUT, reason="no answer before the time-out"))
        return ended

    def _slot_ready(self, slot: int) -> list[Finished]:
        """A slot that reports ready a second time was restarted: its pack is lost."""
        self._ready.add(slot)
        lost = [ticket for ticket, running in self._running.items() if running.slot == slot]
        for ticket in lost:
            del self._running[ticket]
        reason = "Ray Tune restarted the slot"
        return [Finished(ticket, lost=Failure.WORKER_LOST, reason=reason) for ticket in lost]

    def steps(self) -> Mapping[int, int]:
        """Not known while a pack runs."""
        return {}

    def connect(self, stopping: Callable[[], bool], save: Callable[[Sequence[Checkpoint]], None]) -> None:
        """``stopping`` is not needed: ``poll`` never takes long."""
        self._save = save

    def stop(self, timeout_s: float) -> Sequence[Finished]:
        """Stop all packs that run."""
        ends: list[Finished] = []
        deadline = time.monotonic() + timeout_s
        try:
            self._stop_flag.set.remote()
            while self._running and (left := deadline - time.monotonic()) > 0:
                ends += self.poll(left)
        except (RayError, SweepError):
            pass
        return ends

    def close(self, now: bool = False) -> None:
        """Ask every trial to stop; with ``now`` wait for a moment only."""
        try:
            for _ in range(self._slots):
                self._tasks.put((0, None))
            # To leave Ray while Tune's thread is in it can abort the process.
            self._thread.join(timeout=CLOSE_NOW_S if now else CLOSE_S)
        except RayError:
            pass
        shutil.rmtree(self._folder, ignore_errors=True)
