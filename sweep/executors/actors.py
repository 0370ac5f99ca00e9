"""Packs on a Ray cluster through a pool of our own actors, with our own time-outs.

A Ray task whose node lost its link can stay unresolved for minutes; here every actor has a node and tells how far it
is, and a pack whose node died, that makes no progress, or whose deadline passed is given up at once. What the lost
worker still sends is never read, and the store fences it should it arrive by another way.
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
from search_space.facts import Failure, Outcome
from sweep.executors.cluster import size
from sweep.executors.core import Finished, Versions, WorkerData
from workers.task import PackTask

SILENCE_S = 1200.0
"""A pack whose worker took no step and measured nothing for so long is given up: it hangs, or cannot be reached.
Compiling for a GPU and one model on the largest test set take minutes."""
GAP_S = 30.0
"""Between two looks at the workers; when it was longer, nobody listened, and that is not their silence."""
START_TIMEOUT_S = 120.0
"""A worker that is not ready by then is given up: its node is gone or cannot import edge-sweep."""
LOOK_EVERY_S = 0.5
"""Between two looks at the cluster's nodes."""
PAUSE_S = 3.0
"""Before new workers are started after one that could not."""
REFUSALS = 6
"""Workers in a row that could not start before the sweep gives up and says why."""


class PackWorker:
    """The actor: keeps the images, trains packs in one thread while another answers how far it is."""

    def __init__(self, data: WorkerData) -> None:
        import torch

        # Here, not in the first pack: that has a deadline, while imports and the compiler take their time.
        import workers.task  # noqa: F401
        from search_space import user_code
        from workers.packs import compiled

        compiled.library()

        for code in data.user_code:
            user_code.install(code)
        torch.set_num_threads(data.threads)
        self._images = data.fetch()
        self._steps = 0
        self._signs = 0

    def ready(self) -> tuple[str, Versions]:
        """The node it runs on, and what it would train with."""
        return ray.get_runtime_context().get_node_id(), Versions.here()

    def run(self, task: PackTask) -> list[Outcome]:
        """Train and measure a pack."""
        from workers.task import run_pack

        self._steps = 0
        return run_pack(task, self._images.train, self._images.tests, self._note)

    def _note(self, steps: int) -> None:
        self._steps = steps
        self._signs += 1

    def progress(self) -> tuple[int, int]:
        """Training steps of the pack that runs, and signs of progress since the worker began."""
        return self._steps, self._signs


@dataclass
class _Worker:
    actor: Any
    started: float
    hello: Any
    """Reference to the answer of ``ready`` until it came."""
    node: str = ""
    ticket: int = 0
    result: Any = None
    deadline: float = 0.0
    steps: int = 0
    asked: Any = None
    """Reference to an unanswered question for the progress."""
    signs: int = -1
    heard: float = 0.0
    """When it last told of progress, or got its pack."""


@dataclass
class ActorExecutor:
    """One actor a slot; a slot is ``cpus`` CPUs, or a GPU with as many. Needs ``ray.init`` first."""

    data: WorkerData
    cpus: float = 1.0
    gpus: float = 0.0
    most: int = 0
    """Workers at most; 0 takes all the cluster has."""
    silence_s: float = SILENCE_S
    hears: bool = True
    _workers: list[_Worker] = field(default_factory=list)
    _tickets: int = 0
    _looked: float = 0.0
    _listened: float = 0.0
    _alive: frozenset[str] = frozenset()
    _room: int = 0
    _refused: int = 0
    _pause: float = 0.0
    """No new workers before then."""

    def __post_init__(self) -> None:
        self._versions = Versions.here()
        self._reference = ray.put(self.data)
        self._look()

    def slots(self) -> int:
        """Workers, ready or starting."""
        return len(self._workers)

    def free(self) -> int:
        """Ready workers without a pack."""
        self._look()
        return sum(1 for w in self._workers if w.node and not w.ticket)

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Start a pack on a ready worker."""
        worker = next(w for w in self._workers if w.node and not w.ticket)
        self._tickets += 1
        now = time.monotonic()
        worker.ticket, worker.deadline, worker.heard, worker.steps = self._tickets, now + timeout_s, now, 0
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
        self._ask_progress()
        return [done for w in list(self._workers) if w.ticket and (done := self._ended(w)) is not None]

    def _ended(self, worker: _Worker) -> Finished | None:
        ticket = worker.ticket
        ready, _ = ray.wait([worker.result], timeout=0)
        if ready:
            try:
                outcomes = tuple(ray.get(worker.result, timeout=10))
            except RayTaskError as error:
                worker.ticket, worker.result = 0, None
                return Finished(ticket, lost=Failure.BUG, reason=_last_line(error), node=worker.node)
            except RayError as error:
                # The kernel's or Ray's own guard killed the process for its memory: Ray says so in words only.
                oom = isinstance(error, OutOfMemoryError) or "out of memory" in str(error).lower()
                return self._lost(worker, Failure.OOM if oom else Failure.WORKER_LOST, _last_line(error))
            worker.ticket, worker.result = 0, None
            return Finished(ticket, outcomes)
        if worker.node not in self._alive:
            return self._lost(worker, Failure.WORKER_LOST, f"node {worker.node[:8]} is gone")
        if time.monotonic() > worker.deadline:
            return self._lost(worker, Failure.TIMEOUT, "no answer before the time-out")
        if time.monotonic() > worker.heard + self.silence_s:
            return self._lost(worker, Failure.TIMEOUT, f"no progress for {self.silence_s:.0f} s")
        return None

    def _lost(self, worker: _Worker, failure: Failure, reason: str) -> Finished:
        self._drop(worker)
        return Finished(worker.ticket, lost=failure, reason=reason, node=worker.node)

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        with contextlib.suppress(RayError, ValueError):
            ray.kill(worker.actor)

    def _look(self) -> None:
        """Which workers became ready, which nodes live, and whether there is room for more workers."""
        now = time.monotonic()
        for worker in [w for w in self._workers if not w.node]:
            if ray.wait([worker.hello], timeout=0)[0]:
                self._greet(worker)
            elif now - worker.started > START_TIMEOUT_S:
                self._drop(worker)
        if self._looked and now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        cluster = size()
        self._alive = frozenset(node.name for node in cluster.nodes)
        room = cluster.slots(self.cpus, self.gpus)
        self._room = min(room, self.most) if self.most else room
        for worker in [w for w in self._workers if w.node and not w.ticket and w.node not in self._alive]:
            self._drop(worker)
        while len(self._workers) < self._room and now >= self._pause:
            self._start()

    def _greet(self, worker: _Worker) -> None:
        """A worker answered, or could not start. Raises SweepError when it would train something else."""
        try:
            node, versions = ray.get(worker.hello, timeout=5)
        except (RayTaskError, ActorDiedError) as error:
            self._drop(worker)
            if "creation task" in str(error) or isinstance(error, RayTaskError):
                self._refused += 1
                self._pause = time.monotonic() + PAUSE_S
            if self._refused >= REFUSALS:
                raise SweepError(f"workers cannot start: {_last_line(error)}") from None
            return
        except RayError:
            self._drop(worker)
            return
        if versions != self._versions:
            raise SweepError(f"a worker on node {node[:8]} differs from the driver: {versions.unlike(self._versions)}")
        self._refused = 0
        worker.node = node
        self._alive |= {node}

    def _start(self) -> None:
        kind: Any = ray.remote(PackWorker)
        options = {"num_cpus": self.cpus, "num_gpus": self.gpus, "max_restarts": 0, "max_concurrency": 2}
        actor = kind.options(**options).remote(self._reference)
        self._workers.append(_Worker(actor, time.monotonic(), actor.ready.remote()))

    def _ask_progress(self) -> None:
        now = time.monotonic()
        deaf = now - self._listened if self._listened and now - self._listened > GAP_S else 0.0
        self._listened = now
        for worker in self._workers:
            if not worker.ticket:
                continue
            worker.heard = min(now, worker.heard + deaf)
            if worker.asked is None:
                worker.asked = worker.actor.progress.remote()
            elif ray.wait([worker.asked], timeout=0)[0]:
                with contextlib.suppress(RayError):
                    worker.steps, signs = ray.get(worker.asked, timeout=1)
                    if signs != worker.signs:
                        worker.signs, worker.heard = signs, now
                worker.asked = None

    def steps_done(self) -> int:
        """As far as the workers last said."""
        return sum(w.steps for w in self._workers if w.ticket)

    def watch(self, stopping: Callable[[], bool]) -> None:
        """Not needed: ``poll`` never takes long."""

    def close(self, now: bool = False) -> None:
        """Kill the workers; their packs are released by the driver."""
        for worker in list(self._workers):
            self._drop(worker)


def _last_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[-1][:300] if text else ''}"
