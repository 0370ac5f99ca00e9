"""Packs on a Ray cluster through a pool of our own actors, with our own time-outs.

A Ray task whose node lost its link can stay unresolved for minutes; here every pack has a deadline and every
actor a node, and a pack whose deadline passed or whose node died is given up at once. What the lost worker still
sends is never read, and the store fences it should it arrive by another way.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from search_space.facts import Failure, Outcome
from sweep.executors.core import Finished, WorkerData
from workers.task import PackTask

START_TIMEOUT_S = 120.0
"""A worker that is not ready by then is given up: its node is gone or cannot import edge-sweep."""


class PackWorker:
    """The actor: keeps the images, trains packs in one thread while another answers how far it is."""

    def __init__(self, data: WorkerData) -> None:
        import torch

        from search_space import user_code

        for code in data.user_code:
            user_code.install(code)
        torch.set_num_threads(data.threads)
        self._data = data
        self._steps = 0

    def ready(self) -> tuple[str, int]:
        """(node id, process id)."""
        import os

        return ray.get_runtime_context().get_node_id(), os.getpid()

    def run(self, task: PackTask) -> list[Outcome]:
        """Train and measure a pack."""
        from workers.task import run_pack

        self._steps = 0
        return run_pack(task, self._data.train, self._data.tests, self._note)

    def _note(self, steps: int) -> None:
        self._steps = steps

    def steps(self) -> int:
        """Training steps of the pack that runs."""
        return self._steps


@dataclass
class _Worker:
    actor: Any
    gpu: bool
    started: float
    hello: Any
    """Reference to the answer of ``ready`` until it came."""
    node: str = ""
    ticket: int = 0
    result: Any = None
    deadline: float = 0.0
    steps: int = 0
    asked: Any = None
    """Reference to an unanswered question for the steps."""


@dataclass
class ActorExecutor:
    """One actor a slot; a slot is ``cpus`` CPUs, or a GPU with as many. Needs ``ray.init`` first."""

    data: WorkerData
    cpus: float = 1.0
    gpus: float = 0.0
    most: int = 0
    """Workers at most; 0 takes all the cluster has."""
    _workers: list[_Worker] = field(default_factory=list)
    _tickets: int = 0
    _looked: float = 0.0
    _alive: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._reference = ray.put(self.data)
        self._grow()

    def slots(self) -> int:
        """Workers, ready or starting."""
        return len(self._workers)

    def free(self) -> int:
        """Ready workers without a pack."""
        self._look()
        return sum(1 for w in self._workers if w.node and not w.ticket)

    def on_gpu(self) -> bool:
        """Whether packs train on GPUs."""
        return self.gpus > 0

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Start a pack on a ready worker."""
        worker = next(w for w in self._workers if w.node and not w.ticket)
        self._tickets += 1
        worker.ticket, worker.deadline, worker.steps = self._tickets, time.monotonic() + timeout_s, 0
        worker.result = worker.actor.run.remote(task)
        return self._tickets

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        """Ended, lost and overdue packs; a lost worker is replaced."""
        references = [w.result for w in self._workers if w.ticket]
        references += [w.hello for w in self._workers if not w.node]
        if references:
            ray.wait(references, num_returns=1, timeout=timeout_s)
        else:
            time.sleep(min(timeout_s, 0.2))
        self._look()
        ended = [done for w in list(self._workers) if w.ticket and (done := self._ended(w)) is not None]
        self._ask_steps()
        return ended

    def _ended(self, worker: _Worker) -> Finished | None:
        ticket = worker.ticket
        ready, _ = ray.wait([worker.result], timeout=0)
        if ready:
            try:
                outcomes = tuple(ray.get(worker.result, timeout=10))
            except RayTaskError as error:
                worker.ticket, worker.result = 0, None
                return Finished(ticket, lost=Failure.BUG, reason=_first_line(error))
            except (RayActorError, GetTimeoutError, RayError) as error:
                oom = "memory" in str(error).lower()
                return self._lost(worker, Failure.OOM if oom else Failure.WORKER_LOST, _first_line(error))
            worker.ticket, worker.result = 0, None
            return Finished(ticket, outcomes)
        if worker.node not in self._alive:
            return self._lost(worker, Failure.WORKER_LOST, f"node {worker.node[:8]} is gone")
        if time.monotonic() > worker.deadline:
            return self._lost(worker, Failure.TIMEOUT, "no answer before the time-out")
        return None

    def _lost(self, worker: _Worker, failure: Failure, reason: str) -> Finished:
        self._drop(worker)
        self._grow()
        return Finished(worker.ticket, lost=failure, reason=reason)

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        with contextlib.suppress(RayError, ValueError):
            ray.kill(worker.actor)

    def _look(self) -> None:
        """Which workers became ready, which nodes live, and whether there is room for more workers."""
        now = time.monotonic()
        for worker in [w for w in self._workers if not w.node]:
            if ray.wait([worker.hello], timeout=0)[0]:
                try:
                    worker.node, _ = ray.get(worker.hello, timeout=5)
                    self._alive |= {worker.node}
                except RayError:
                    self._drop(worker)
            elif now - worker.started > START_TIMEOUT_S:
                self._drop(worker)
        if now - self._looked < 1.0:
            return
        self._looked = now
        self._alive = frozenset(node["NodeID"] for node in ray.nodes() if node["Alive"])
        for worker in [w for w in self._workers if w.node and not w.ticket and w.node not in self._alive]:
            self._drop(worker)
        self._grow()

    def _room(self) -> int:
        total = ray.cluster_resources()
        room = int(total.get("GPU", 0) / self.gpus) if self.gpus else int(total.get("CPU", 0) / self.cpus)
        return min(room, self.most) if self.most else room

    def _grow(self) -> None:
        while len(self._workers) < self._room():
            actor = (
                ray.remote(PackWorker)
                .options(
                    num_cpus=self.cpus,
                    num_gpus=self.gpus,
                    max_restarts=0,
                    max_concurrency=2,
                )
                .remote(self._reference)
            )
            self._workers.append(_Worker(actor, bool(self.gpus), time.monotonic(), actor.ready.remote()))

    def _ask_steps(self) -> None:
        for worker in self._workers:
            if not worker.ticket:
                continue
            if worker.asked is None:
                worker.asked = worker.actor.steps.remote()
            elif ray.wait([worker.asked], timeout=0)[0]:
                with contextlib.suppress(RayError):
                    worker.steps = ray.get(worker.asked, timeout=1)
                worker.asked = None

    def steps_done(self) -> int:
        """As far as the workers last said."""
        return sum(w.steps for w in self._workers if w.ticket)

    def close(self, now: bool = False) -> None:
        """Kill the workers; their packs are released by the driver."""
        for worker in list(self._workers):
            self._drop(worker)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[-1][:300] if text else ''}"
