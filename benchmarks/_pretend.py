"""A cluster that only pretends to train: packs end when their multiply-adds say so, nodes leave and come back."""

from __future__ import annotations

import hashlib
import heapq
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from search_space import parse_id
from search_space.costs.describe import describe
from search_space.facts import Artifact, Checkpoint, Done, Provenance, Quality
from sweep.executors.core import Finished
from workers.quality.protocol import PROTOCOL
from workers.task import PackTask

SETS = ("Set5", "Set14", "BSDS100")
CURVE = tuple((step, 0.001) for step in range(0, 100_000, 10_000))
NOISE = random.Random(0).randbytes(4_000_000)
"""Weights and states are parts of it: they do not compress, as real ones do not."""
WORKERS_PER_NODE = 4


@lru_cache(maxsize=4096)
def result(config_id: str) -> tuple[tuple[Quality, ...], Artifact, bytes]:
    """Measurements, weights and a state of a config, of the sizes that real ones have."""
    values = tuple(Quality(config_id, name, m, 30.0, "dB", PROTOCOL) for name in SETS for m in ("psnr", "ssim"))
    size = 4 * describe(parse_id(config_id)).parameters
    weights = NOISE[:size]
    # Weights and the two moments.
    return values, Artifact("weights", weights, hashlib.sha256(weights).hexdigest()), NOISE[: 3 * size]


@lru_cache(maxsize=4096)
def macs(config_id: str) -> int:
    """Of a Full-HD frame."""
    return describe(parse_id(config_id)).macs_full_hd


@dataclass(order=True)
class _Running:
    at: float
    """When something happens to it next."""
    ticket: int
    node: int = field(compare=False)
    task: PackTask = field(compare=False)
    start: float = field(compare=False)
    end: float = field(compare=False)


@dataclass
class PretendCluster:
    """An executor of ``workers`` workers. Nothing is trained, all the rest of a pack is real: its members' results,
    weights and one state half way, each of a real size.

    Times are of this machine's clock; a pack takes ``seconds_per_mac`` for each multiply-add of its members.
    """

    workers: int
    seconds_per_mac: float
    leave_every_s: float
    """Between two nodes that leave; each comes back after ``away_s``."""
    away_s: float = 5.0
    reports_progress: bool = True
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    first_submit: float = 0.0
    checkpoints: int = 0
    lost_packs: int = 0
    ended_s: float = 0.0
    """Of all workers together, with packs that ended or were lost."""
    _tickets: int = 0
    _free: list[int] = field(default_factory=list)
    """The node of each free worker."""
    _away: dict[int, float] = field(default_factory=dict)
    """Nodes that left, and when each comes back."""
    _running: dict[int, _Running] = field(default_factory=dict)
    _next: list[_Running] = field(default_factory=list)
    _save: Callable[[Sequence[Checkpoint]], None] = lambda states: None

    def __post_init__(self) -> None:
        self._free = [worker // WORKERS_PER_NODE for worker in range(self.workers)]
        self._leaves = time.monotonic() + self.leave_every_s

    def free(self) -> int:
        """Workers of nodes that are there, without a pack."""
        return len(self._free)

    def slots(self) -> int:
        """Workers in all."""
        return self.workers

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Give a pack to a free worker."""
        now = time.monotonic()
        self.first_submit = self.first_submit or now
        self._tickets += 1
        seconds = self.seconds_per_mac * sum(macs(member.config) for member in task.members)
        one = _Running(now + seconds / 2, self._tickets, self._free.pop(), task, now, now + seconds)
        self._running[one.ticket] = one
        heapq.heappush(self._next, one)
        return one.ticket

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        """Packs that ended and packs of nodes that left; states of packs that are half way are handed out."""
        until = time.monotonic() + timeout_s
        while True:
            ended = [*self._nodes(), *self._due()]
            now = time.monotonic()
            if ended or now >= until:
                return ended
            soon = min(self._next[0].at if self._next else until, self._leaves, until)
            time.sleep(max(0.001, soon - now))

    def _due(self) -> list[Finished]:
        ended: list[Finished] = []
        while self._next and self._next[0].at <= time.monotonic():
            one = heapq.heappop(self._next)
            if one.ticket not in self._running:
                continue
            if one.at < one.end:
                self._hand_out(one)
                one.at = one.end
                heapq.heappush(self._next, one)
            else:
                ended.append(self._end(one))
        return ended

    def _hand_out(self, one: _Running) -> None:
        states = [Checkpoint(m.trial, m.attempt, 50_000, result(m.config)[2]) for m in one.task.members]
        self._save(states)
        self.checkpoints += len(states)

    def _end(self, one: _Running) -> Finished:
        del self._running[one.ticket]
        self.ended_s += one.end - one.start
        self._free.append(one.node)
        node = f"node-{one.node}"
        made = Provenance(("compiled/0123456789ab",), "pretended", "fp32", "2.13.0")
        outcomes = []
        for member in one.task.members:
            values, weights, _ = result(member.config)
            outcomes.append(
                Done(member.trial, member.attempt, values, (weights,), 60.0, 100_000, node, CURVE, (), made)
            )
        return Finished(one.ticket, tuple(outcomes), node=node)

    def _nodes(self) -> list[Finished]:
        """Let nodes come back, and one leave when it is time."""
        now = time.monotonic()
        for node in [node for node, back in self._away.items() if back <= now]:
            del self._away[node]
            self._free += [node] * WORKERS_PER_NODE
        if now < self._leaves:
            return []
        self._leaves = now + self.leave_every_s
        node = self.chance.randrange(max(1, self.workers // WORKERS_PER_NODE))
        if node in self._away:
            return []
        self._away[node] = now + self.away_s
        self._free = [other for other in self._free if other != node]
        lost = [one for one in self._running.values() if one.node == node]
        for one in lost:
            del self._running[one.ticket]
            self.ended_s += min(now, one.end) - one.start
        self.lost_packs += len(lost)
        return [Finished(one.ticket, reason="its node left", node=f"node-{node}") for one in lost]

    def busy_s(self, now: float) -> float:
        """Seconds in which workers had something to train, of all together; one whose pack has ended waits for the
        driver."""
        return self.ended_s + sum(min(now, one.end) - one.start for one in list(self._running.values()))

    def steps(self) -> Mapping[int, int]:
        """Not told."""
        return {}

    def connect(self, stopping: Callable[[], bool], save: Callable[[Sequence[Checkpoint]], None]) -> None:
        """``save`` takes the states."""
        self._save = save

    def stop(self, timeout_s: float) -> Sequence[Finished]:
        """Packs that run are given back by the driver."""
        return ()

    def close(self, now: bool = False) -> None:
        """There is nothing to release."""
