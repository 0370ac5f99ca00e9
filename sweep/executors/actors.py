"""Packs on a Ray cluster through a pool of our own actors, with our own time-outs.

A Ray task whose node lost its network can stay unresolved for minutes. Here the node of every actor is known and
every actor reports progress: a pack whose node died, that makes no progress, or whose deadline passed is given up at
once. A lost worker's later results are not read, and the store rejects them should they arrive another way.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayError, RayTaskError

from search_space.errors import SweepError
from search_space.facts import Checkpoint, Failure, Outcome
from sweep.executors.cluster import size
from sweep.executors.core import Finished, Versions, WorkerData
from workers.checkpointing import Checkpointing
from workers.task import PackTask

SILENCE_S = 1200.0
"""A pack is given up after this time without a training step or a measurement. Compiling for a GPU and measuring one
model on the largest test set take minutes."""
POLL_GAP_S = 30.0
"""A longer time between two polls (the driver was waiting for its store) does not count as silence of the workers."""
START_TIMEOUT_S = 120.0
"""A worker that is not ready after this time is given up: its node is gone or cannot import edge-sweep."""
NODES_EVERY_S = 0.5
"""Between two queries for the nodes of the cluster."""
RESTART_PAUSE_S = 3.0
"""After a worker that could not start, before a new one is started."""
MAX_START_FAILURES = 6
"""Consecutive workers that could not start, after which the sweep ends with their error."""


class PackWorker:
    """The actor: holds the images; one thread trains packs while another answers calls of ``progress``."""

    def __init__(self, data: WorkerData) -> None:
        # Not in the first pack: imports and the compiler would use up its deadline.
        import workers.task  # noqa: F401
        from workers.packs import compiled

        compiled.library()

        self._images = data.prepare()
        self._progress = 0
        self._checkpointing = Checkpointing()

    def ready(self) -> tuple[str, Versions]:
        """The node it runs on, and the versions it would train with."""
        return ray.get_runtime_context().get_node_id(), Versions.here()

    def run(self, task: PackTask) -> tuple[list[Outcome], list[Checkpoint]]:
        """Train and measure a pack: its outcomes, and, where it was stopped, the states of members without one."""
        from workers.task import run_pack

        self._checkpointing = checkpointing = Checkpointing(task.checkpoint_every_s)
        outcomes = run_pack(task, self._images.train, self._images.tests, self._count, checkpointing)
        return outcomes, checkpointing.take() if checkpointing.stopping else []

    def _count(self, steps: int) -> None:
        self._progress += 1

    def progress(self) -> tuple[int, list[Checkpoint]]:
        """Training steps taken and test sets measured so far (only changes matter), and the states handed out since the
        last call."""
        return self._progress, self._checkpointing.take()

    def stop(self) -> None:
        """Make the running pack stop after its present step."""
        self._checkpointing.stop()


@dataclass
class _Worker:
    actor: Any
    started: float
    ready: Any
    """Reference to the answer of ``ready``."""
    node: str = ""
    ticket: int = 0
    result: Any = None
    deadline: float = 0.0
    answer: Any = None
    """Reference to the answer of ``progress``, while one is asked for."""
    progress: int = -1
    last_progress: float = 0.0
    """When it last reported progress, or got its pack."""


@dataclass
class ActorExecutor:
    """One actor per slot; a slot is ``cpus`` CPUs, or a GPU with as many. Needs ``ray.init`` first."""

    data: WorkerData
    cpus: float = 1.0
    gpus: float = 0.0
    most: int = 0
    """Workers at most; 0 takes all the cluster has."""
    silence_s: float = SILENCE_S
    reports_progress: bool = True
    _workers: list[_Worker] = field(default_factory=list)
    _tickets: int = 0
    _nodes_seen: float = 0.0
    _polled: float = 0.0
    _alive: frozenset[str] = frozenset()
    _max_workers: int = 0
    _start_failures: int = 0
    _no_start_before: float = 0.0
    """No new worker is started before this time."""
    _save: Callable[[Sequence[Checkpoint]], None] = lambda states: None

    def __post_init__(self) -> None:
        self._versions = Versions.here()
        self._reference = ray.put(self.data)
        self._update_workers()

    def slots(self) -> int:
        """Workers, ready or starting."""
        return len(self._workers)

    def free(self) -> int:
        """Ready workers without a pack."""
        self._update_workers()
        return sum(1 for worker in self._workers if worker.node and not worker.ticket)

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Start a pack on a ready worker."""
        worker = next(worker for worker in self._workers if worker.node and not worker.ticket)
        self._tickets += 1
        now = time.monotonic()
        worker.ticket, worker.deadline, worker.last_progress = self._tickets, now + timeout_s, now
        worker.result = worker.actor.run.remote(task)
        return self._tickets

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        """Ended, lost and overdue packs; a lost worker is replaced."""
        references = [worker.result for worker in self._workers if worker.ticket]
        references += [worker.ready for worker in self._workers if not worker.node]
        if references:
            ray.wait(references, num_returns=1, timeout=timeout_s)
        else:
            time.sleep(min(timeout_s, 0.2))
        self._update_workers()
        self._ask_progress()
        busy = [worker for worker in self._workers if worker.ticket]
        return [end for worker in busy if (end := self._ended(worker)) is not None]

    def _ended(self, worker: _Worker) -> Finished | None:
        ticket = worker.ticket
        ready, _ = ray.wait([worker.result], timeout=0)
        if ready:
            try:
                outcomes, states = ray.get(worker.result, timeout=10)
            except RayTaskError as error:
                worker.ticket, worker.result = 0, None
                return Finished(ticket, lost=Failure.BUG, reason=_last_line(error), node=worker.node)
            except RayError as error:
                # When the kernel or Ray killed the process for its memory, Ray says so only in the message.
                oom = isinstance(error, OutOfMemoryError) or "out of memory" in str(error).lower()
                return self._lost(worker, Failure.OOM if oom else Failure.WORKER_LOST, _last_line(error))
            worker.ticket, worker.result = 0, None
            if states:
                self._save(states)
            return Finished(ticket, tuple(outcomes))
        if worker.node not in self._alive:
            return self._lost(worker, Failure.WORKER_LOST, f"node {worker.node[:8]} is gone")
        if time.monotonic() > worker.deadline:
            return self._lost(worker, Failure.TIMEOUT, "no answer before the time-out")
        if time.monotonic() > worker.last_progress + self.silence_s:
            return self._lost(worker, Failure.TIMEOUT, f"no progress for {self.silence_s:.0f} s")
        return None

    def _lost(self, worker: _Worker, failure: Failure, reason: str) -> Finished:
        self._drop(worker)
        return Finished(worker.ticket, lost=failure, reason=reason, node=worker.node)

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        with contextlib.suppress(RayError, ValueError):
            ray.kill(worker.actor)

    def _update_workers(self) -> None:
        """See which workers became ready and which nodes are alive; start workers where there is room."""
        now = time.monotonic()
        for worker in [worker for worker in self._workers if not worker.node]:
            if ray.wait([worker.ready], timeout=0)[0]:
                self._on_ready(worker)
            elif now - worker.started > START_TIMEOUT_S:
                self._drop(worker)
        if self._nodes_seen and now - self._nodes_seen < NODES_EVERY_S:
            return
        self._nodes_seen = now
        cluster = size()
        self._alive = frozenset(node.name for node in cluster.nodes)
        slots = cluster.slots(self.cpus, self.gpus)
        self._max_workers = min(slots, self.most) if self.most else slots
        for worker in list(self._workers):
            if worker.node and not worker.ticket and worker.node not in self._alive:
                self._drop(worker)
        while len(self._workers) < self._max_workers and now >= self._no_start_before:
            self._start()

    def _on_ready(self, worker: _Worker) -> None:
        """A worker is ready, or could not start. Raises SweepError when its versions are not the driver's."""
        try:
            node, versions = ray.get(worker.ready, timeout=5)
        except (RayTaskError, ActorDiedError) as error:
            self._drop(worker)
            if "creation task" in str(error) or isinstance(error, RayTaskError):
                self._start_failures += 1
                self._no_start_before = time.monotonic() + RESTART_PAUSE_S
            if self._start_failures >= MAX_START_FAILURES:
                raise SweepError(f"workers cannot start: {_last_line(error)}") from None
            return
        except RayError:
            self._drop(worker)
            return
        if versions != self._versions:
            differences = versions.differences(self._versions)
            raise SweepError(f"a worker on node {node[:8]} differs from the driver: {differences}")
        self._start_failures = 0
        worker.node = node
        self._alive |= {node}

    def _start(self) -> None:
        kind: Any = ray.remote(PackWorker)
        options = {"num_cpus": self.cpus, "num_gpus": self.gpus, "max_restarts": 0, "max_concurrency": 2}
        actor = kind.options(**options).remote(self._reference)
        self._workers.append(_Worker(actor, time.monotonic(), actor.ready.remote()))

    def _ask_progress(self) -> None:
        now = time.monotonic()
        gap = now - self._polled if self._polled and now - self._polled > POLL_GAP_S else 0.0
        self._polled = now
        for worker in self._workers:
            if not worker.ticket:
                continue
            worker.last_progress = min(now, worker.last_progress + gap)
            if worker.answer is None:
                worker.answer = worker.actor.progress.remote()
            elif ray.wait([worker.answer], timeout=0)[0]:
                with contextlib.suppress(RayError):
                    progress, states = ray.get(worker.answer, timeout=1)
                    if states:
                        self._save(states)
                    if progress != worker.progress:
                        worker.progress, worker.last_progress = progress, now
                worker.answer = None

    def connect(self, stopping: Callable[[], bool], save: Callable[[Sequence[Checkpoint]], None]) -> None:
        """``stopping`` is not needed: ``poll`` never takes long."""
        self._save = save

    def stop(self, timeout_s: float) -> Sequence[Finished]:
        """Stop all packs; for those that do not answer in time the last state that they handed out remains."""
        deadline = time.monotonic() + timeout_s
        busy = [worker for worker in self._workers if worker.ticket]
        for worker in busy:
            worker.actor.stop.remote()
        ends: list[Finished] = []
        while busy and (left := deadline - time.monotonic()) > 0:
            ray.wait([worker.result for worker in busy], num_returns=1, timeout=left)
            ended = [(worker, end) for worker in busy if (end := self._ended(worker)) is not None]
            ends += [end for _, end in ended]
            busy = [worker for worker in busy if worker.ticket and worker in self._workers]
        return ends

    def close(self, now: bool = False) -> None:
        """Kill the workers; the driver releases their trials."""
        for worker in list(self._workers):
            self._drop(worker)


def _last_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[-1][:300] if text else ''}"
