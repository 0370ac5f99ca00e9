"""Packs on a Ray cluster through a pool of our own actors, with our own time-outs.

A Ray task whose node lost its network can stay unresolved for minutes. Here the node of every actor is chosen and
every actor answers while it trains: a pack whose node left, whose worker does not answer or makes no progress, or
whose deadline passed is given up at once. What a lost worker still sends is not read, and the store fences it should
it arrive by another way.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from search_space.errors import SweepError
from search_space.facts import Checkpoint, Failed, Failure
from sweep.executors.core import Finished, Versions, WorkerData, WorkerName
from sweep.executors.lost_worker import Inquest
from sweep.executors.node_health import STARTS_IN_A_ROW, STARTS_OF_THE_LAST, NodeHealth
from sweep.executors.node_watch import EVERY_S, NodeWatch
from sweep.executors.pack_worker import PackWorker, Ready
from sweep.executors.places import Cluster, Places
from workers.device_errors import DeviceFailure
from workers.task import PackTask

SILENCE_S = 1200.0
"""A pack is given up when its worker has taken no training step and measured nothing for this time. Compiling for a
GPU and measuring one model on the largest test set take minutes."""
NO_ANSWER_S = 30.0
"""A worker that does not answer for this time is given up: its process is stopped, or its node is cut off."""
START_NO_ANSWER_S = 30.0
"""The same of a worker that starts, and twice as long after each that failed on its node: a process that starts cannot
answer, nor one that imports PyTorch (half a minute on a busy machine)."""
LOOK_GAP_S = 10.0
"""A longer time between two looks (the driver was waiting for its store) does not count as silence of the workers."""
START_TIMEOUT_S = 300.0
"""A worker that answers but is not ready by then is given up: it cannot get its images."""
RESTART_PAUSE_S = 3.0
"""Between a worker that could not start and the next new one on its node."""


@dataclass
class _Worker:
    actor: Any
    place: str
    """Ray's id of the node it was started on."""
    device: str
    gpus: float
    started: float
    preparing: Any
    """Reference to the answer of ``prepare``."""
    number: int
    ready: Ready | None = None
    ticket: int = 0
    task: PackTask | None = None
    result: Any = None
    deadline: float = math.inf
    answer: Any = None
    """Reference to the answer of ``progress``, while one is asked for."""
    answered: float = 0.0
    """When it last answered; 0 before the first time."""
    progress: int = -1
    steps: int = 0
    """Of its pack, as it said last."""
    last_progress: float = 0.0
    """When it last reported progress, or got its pack."""
    inquest: Inquest | None = None
    """After its process ended."""

    @property
    def idle(self) -> bool:
        return self.ready is not None and not self.ticket


@dataclass
class ActorExecutor:
    """Actors on every node that has room for them. Needs ``ray.init`` first."""

    data: WorkerData
    cpus: float = 1.0
    gpus: float | None = 0.0
    """Of one worker; None takes a GPU each on nodes that have some, and CPUs elsewhere."""
    most: int = 0
    """Workers at most; 0 takes all the cluster has."""
    silence_s: float = SILENCE_S
    no_answer_s: float = NO_ANSWER_S
    start_no_answer_s: float = START_NO_ANSWER_S
    reports_progress: bool = True
    health: NodeHealth = field(default_factory=NodeHealth)
    _workers: list[_Worker] = field(default_factory=list)
    _tickets: int = 0
    _started: int = 0
    _nodes_seen: float = 0.0
    _looked: float = field(default_factory=time.monotonic)
    _cluster: Cluster = field(default_factory=lambda: Cluster(()))
    _not_before: dict[str, float] = field(default_factory=dict)
    """No new worker is started on a node before its time."""
    _oom_kills: dict[str, int | None] = field(default_factory=dict)
    """Counter of the kernel by node."""
    _notices: list[Finished] = field(default_factory=list)
    _save: Callable[[Sequence[Checkpoint]], None] = lambda states: None

    def __post_init__(self) -> None:
        self._places = Places(self.cpus, self.gpus)
        self._versions = Versions.here()
        self._reference = ray.put(self.data)
        self._nodes = NodeWatch()
        self._update_workers()

    def slots(self) -> int:
        """Workers, ready or starting."""
        return len(self._workers)

    def free(self) -> int:
        """Ready workers without a pack."""
        self._update_workers()
        return sum(1 for worker in self._workers if worker.idle and self._may_work(worker.place))

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Start a pack on a ready worker, on its device."""
        worker = self._next()
        self._tickets += 1
        now = time.monotonic()
        worker.ticket, worker.deadline, worker.last_progress = self._tickets, now + timeout_s, now
        worker.task = replace(task, device=worker.device)
        worker.steps, worker.result = 0, worker.actor.run.remote(worker.task, worker.ticket)
        return self._tickets

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        """Ended, lost and overdue packs; a lost worker is replaced."""
        references = [worker.result for worker in self._workers if worker.ticket and worker.inquest is None]
        references += [worker.preparing for worker in self._workers if worker.ready is None]
        if references:
            ray.wait(references, num_returns=1, timeout=timeout_s)
        else:
            time.sleep(min(timeout_s, 0.2))
        self._update_workers()
        self._ask_progress()
        busy = [worker for worker in self._workers if worker.ticket]
        ended = [end for worker in busy if (end := self._ended(worker)) is not None]
        notices, self._notices = self._notices, []
        return [*notices, *ended]

    def _next(self) -> _Worker:
        idle = [worker for worker in self._workers if worker.idle and self._may_work(worker.place)]
        return next((worker for worker in idle if worker.device != "cpu"), idle[0])

    def next_worker(self) -> WorkerName:
        """The worker that ``submit`` takes."""
        worker = self._next()
        host = self._cluster.host(worker.place) or worker.place[:8]
        return WorkerName(host, worker.device, worker.number, worker.gpus)

    def devices(self) -> Mapping[str, int]:
        """Of the workers that are ready or starting."""
        return Counter(worker.device for worker in self._workers if self._may_work(worker.place))

    def interrupt(self, ticket: int) -> None:
        """Ask the worker of a pack to stop after the step it takes."""
        for worker in self._workers:
            if worker.ticket == ticket and worker.inquest is None:
                worker.actor.stop.remote(worker.ticket)

    # The end of a pack

    def _ended(self, worker: _Worker) -> Finished | None:
        now = time.monotonic()
        if worker.inquest is not None:
            verdict = worker.inquest.verdict(self._oom_kills)
            if verdict is None:
                return None
            failure, reason = verdict
            died = failure is Failure.WORKER_LOST and self._cluster.has(worker.place, staying=True)
            return replace(self._lost(worker, failure, reason), died=died)
        if ray.wait([worker.result], timeout=0)[0]:
            return self._result(worker)
        if not self._cluster.has(worker.place):
            return self._lost(worker, None, f"node {self._name(worker.place)} is gone")
        if now > worker.deadline:
            return self._lost(worker, Failure.TIMEOUT, "no answer before the time-out")
        if now > worker.last_progress + self.silence_s:
            return self._lost(worker, Failure.TIMEOUT, f"no progress for {self.silence_s:.0f} s")
        if now > worker.answered + self.no_answer_s:
            return self._lost(worker, Failure.WORKER_LOST, f"its worker did not answer for {self.no_answer_s:.0f} s")
        return None

    def _result(self, worker: _Worker) -> Finished | None:
        ticket = worker.ticket
        try:
            outcomes, states = ray.get(worker.result, timeout=10)
        except RayTaskError as error:
            worker.ticket, worker.result = 0, None
            return self._judged(worker, Finished(ticket, lost=Failure.BUG, reason=_last_line(error), node=worker.place))
        except OutOfMemoryError as error:
            return self._lost(worker, Failure.OOM, _last_line(error))
        except RayError as error:
            # Ray says of a process that was killed only that it is gone: its node knows more.
            worker.inquest = Inquest.open(worker.place, _last_line(error), str(error))
            return None
        worker.ticket, worker.result = 0, None
        if states:
            self._save(states)
        if any(isinstance(outcome, Failed) and outcome.failure is Failure.DEVICE for outcome in outcomes):
            # After such an error a process cannot use its device again. The next worker proves it first.
            self._drop(worker)
        return self._judged(worker, Finished(ticket, tuple(outcomes), node=worker.place))

    def _lost(self, worker: _Worker, failure: Failure | None, reason: str) -> Finished:
        """The worker is given up; without a ``failure`` no trial is charged."""
        self._drop(worker)
        return self._judged(worker, Finished(worker.ticket, lost=failure, reason=reason, node=worker.place))

    def _judged(self, worker: _Worker, end: Finished) -> Finished:
        """The end of a pack, with what it says about its node."""
        outcomes = list(end.outcomes)
        if end.lost is not None and worker.task is not None:
            why = (end.lost, end.reason, "", end.node)
            outcomes = [Failed(member.trial, member.attempt, *why) for member in worker.task.members]
        excused = self.health.ended(worker.place, outcomes)
        if not excused:
            return end
        return replace(end, excused=excused, given_up=self._given_up(worker.place))

    # Workers and nodes

    def _may_work(self, place: str) -> bool:
        """Whether a node may be given packs."""
        return place not in self.health.quarantined and self._cluster.has(place, staying=True)

    def _name(self, place: str) -> str:
        host = self._cluster.host(place)
        return f"{host} ({place[:8]})" if host else place[:8]

    def _given_up(self, place: str) -> str:
        return f"node {self._name(place)}: {self.health.quarantined[place]}"

    def _drop(self, worker: _Worker) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        with contextlib.suppress(RayError, ValueError):
            ray.kill(worker.actor)

    def _update_workers(self) -> None:
        """See which workers became ready and which nodes are there; start workers where there is room."""
        now = time.monotonic()
        self._forgive_gap(now)
        for worker in [worker for worker in self._workers if worker.ready is None]:
            if ray.wait([worker.preparing], timeout=0)[0]:
                self._on_prepared(worker)
            elif reason := self._late(worker, now):
                self._not_started(worker, reason)
        if self._nodes_seen and now - self._nodes_seen < EVERY_S:
            return
        self._nodes_seen = now
        known = self._nodes.cluster()
        # A node that is gone keeps its name for messages.
        self._cluster = known.remembering(self._cluster)
        for worker in list(self._workers):
            if worker.ticket and known.is_leaving(worker.place):
                # Its pack stops with its state, and goes on elsewhere.
                worker.actor.stop.remote(worker.ticket)
            elif not worker.ticket and not self._may_work(worker.place):
                self._drop(worker)
        self._fill(now)

    def _fill(self, now: float) -> None:
        places = self._places.on(self._cluster)
        if places and not any(self._may_work(place) for place in places) and self.health.quarantined:
            reasons = "; ".join(self._given_up(place) for place in places if place in self.health.quarantined)
            if reasons and not any(worker.ticket for worker in self._workers):
                hint = "; --gpus-per-worker 0 trains on CPUs" if DeviceFailure.__name__ in reasons else ""
                raise SweepError(f"workers cannot start or work on any node: {reasons}{hint}")
        there = Counter(worker.place for worker in self._workers)
        # GPUs first, where only some of the workers are wanted.
        for place, room in sorted(places.items(), key=lambda item: -self._places.gpus_on(self._cluster, item[0])):
            while there[place] < room and self._may_work(place) and now >= self._not_before.get(place, 0.0):
                if self.most and len(self._workers) >= self.most:
                    return
                self._start(place)
                there[place] += 1

    def _start(self, place: str) -> None:
        kind: Any = ray.remote(PackWorker)
        gpus = self._places.gpus_on(self._cluster, place)
        actor = kind.options(
            num_cpus=self.cpus,
            num_gpus=gpus,
            max_restarts=0,
            max_concurrency=2,
            scheduling_strategy=NodeAffinitySchedulingStrategy(place, soft=False),
        ).remote()
        device = "cuda" if gpus else "cpu"
        prepared = actor.prepare.remote(self._reference, device)
        self._started += 1
        self._workers.append(_Worker(actor, place, device, gpus, time.monotonic(), prepared, self._started))

    def _late(self, worker: _Worker, now: float) -> str:
        """Why a worker that is starting is given up, in words; empty while it is in time."""
        limit = self.start_no_answer_s * 2 ** self.health.starts_failed(worker.place)
        if now > (worker.answered or worker.started) + limit:
            return f"a starting worker did not answer for {limit:.0f} s"
        if now > worker.started + START_TIMEOUT_S:
            return f"a worker was not ready within {START_TIMEOUT_S:.0f} s"
        return ""

    def _not_started(self, worker: _Worker, reason: str, proven: bool = False) -> None:
        self._drop(worker)
        now = time.monotonic()
        self._not_before[worker.place] = now + RESTART_PAUSE_S
        others = any(self._may_work(place) for place in self._places.on(self._cluster) if place != worker.place)
        most = 1 if proven else STARTS_IN_A_ROW if others else STARTS_OF_THE_LAST
        if self.health.not_started(worker.place, reason, worker.started, now, most):
            self._notices.append(Finished(0, node=worker.place, given_up=self._given_up(worker.place)))

    def _on_prepared(self, worker: _Worker) -> None:
        """A worker is ready, or could not start. Raises SweepError when its versions are not the driver's."""
        try:
            ready = ray.get(worker.preparing, timeout=5)
        except RayTaskError as error:
            # A device that cannot compute will not do so the next time.
            self._not_started(worker, _last_line(error), proven=DeviceFailure.__name__ in str(error))
            return
        except RayError as error:
            if self._cluster.has(worker.place):
                self._not_started(worker, _last_line(error))
            else:
                self._drop(worker)
            return
        if ready.versions != self._versions:
            differences = ready.versions.differences(self._versions)
            raise SweepError(f"a worker on node {self._name(worker.place)} differs from the driver: {differences}")
        worker.ready = ready
        self.health.started(worker.place)
        self._oom_kills.setdefault(worker.place, ready.oom_kills)

    def _forgive_gap(self, now: float) -> None:
        """Have the time in which nobody asked the workers not count against them."""
        gap, self._looked = now - self._looked, now
        if gap > LOOK_GAP_S:
            for worker in self._workers:
                worker.started = min(now, worker.started + gap)
                worker.last_progress = min(now, worker.last_progress + gap)
                worker.answered = min(now, worker.answered + gap) if worker.answered else 0.0

    def _ask_progress(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if worker.inquest is not None:
                continue
            if worker.answer is None:
                worker.answer = worker.actor.progress.remote()
            elif ray.wait([worker.answer], timeout=0)[0]:
                with contextlib.suppress(RayError):
                    progress, ticket, steps, states = ray.get(worker.answer, timeout=1)
                    worker.answered = now
                    if ticket == worker.ticket:  # else the answer is about the pack before
                        worker.steps = steps
                    if states:
                        self._save(states)
                    if progress != worker.progress:
                        worker.progress, worker.last_progress = progress, now
                worker.answer = None

    def steps(self) -> Mapping[int, int]:
        """As the workers said when they were asked last."""
        return {worker.ticket: worker.steps for worker in self._workers if worker.ticket}

    def connect(self, stopping: Callable[[], bool], save: Callable[[Sequence[Checkpoint]], None]) -> None:
        """``stopping`` is not needed: ``poll`` never takes long."""
        self._save = save

    def stop(self, timeout_s: float) -> Sequence[Finished]:
        """Stop all packs; those that do not answer in time have the state they handed out last."""
        deadline = time.monotonic() + timeout_s
        busy = [worker for worker in self._workers if worker.ticket and worker.inquest is None]
        for worker in busy:
            worker.actor.stop.remote(worker.ticket)
        ends: list[Finished] = []
        while busy and (left := deadline - time.monotonic()) > 0:
            ray.wait([worker.result for worker in busy], num_returns=1, timeout=left)
            ends += [end for worker in busy if (end := self._ended(worker)) is not None]
            busy = [worker for worker in busy if worker.ticket and worker in self._workers and worker.inquest is None]
        return ends

    def close(self, now: bool = False) -> None:
        """Kill the workers; the driver releases their trials."""
        self._nodes.close()
        for worker in list(self._workers):
            self._drop(worker)


def _last_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[-1][:300] if text else ''}"
