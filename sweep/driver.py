"""The driver: claims what is missing, hands packs to workers, writes what comes back. The one writer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import TypeVar

from results_db.rows import Claim, TrialRow
from results_db.states import State
from results_db.store import Store
from search_space.errors import StoreError, SweepError
from search_space.facts import Done, Failed, Failure, Outcome
from sweep.basis import Basis
from sweep.executors.core import Executor, Finished
from sweep.heart import Heart
from sweep.owner import is_dead, this_owner
from sweep.plan import Item, Pack, packs
from sweep.retry import decide
from workers.task import Member, PackTask

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """How the driver goes about it; none of this changes a result."""

    pack_size: int = 48
    max_attempts: int = 3
    timeout_s: float = 0.0
    """A pack without an answer by then is given up; 0 takes ten times what the packs so far would suggest."""
    lease_s: float = 60.0
    device: str = "cpu"
    first_timeout_s: float = 6 * 3600
    start_timeout_s: float = 180.0
    """How long to wait for the first worker."""
    store_patience_s: float = 600.0
    """How long results are kept in memory while the store cannot be written (disk full, locked, unreachable)."""


class Kind(StrEnum):
    """What a listener is told."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    AGAIN = "again"
    FENCED = "fenced"
    LOST = "lost"
    WAITING = "waiting"


@dataclass(frozen=True)
class Notice:
    """One thing that happened, for progress and logs."""

    kind: Kind
    config: str
    text: str = ""


@dataclass
class Report:
    """What this run of the driver did."""

    done: int = 0
    failed: int = 0
    again: int = 0
    lost_packs: int = 0
    fenced: int = 0
    seconds: float = 0.0
    interrupted: bool = False


@dataclass
class _Flight:
    pack: Pack
    claims: list[Claim]
    started: float


@dataclass
class Driver:
    """Brings one sweep to its end, or as far as it can."""

    store: Store
    sweep_id: int
    recipe_json: str
    basis: Basis
    """What its workers train with; trials planned with anything else are left alone."""
    executor: Executor
    settings: Settings = field(default_factory=Settings)
    listener: Callable[[Notice], None] = lambda notice: None
    only: frozenset[int] | None = None
    """Trial ids to work on; None for all of the sweep."""
    stopping: bool = False
    """Set (by a signal handler, say) to stop cleanly: no new packs, workers given back, leases released."""
    owner: str = field(default_factory=this_owner)

    def __post_init__(self) -> None:
        self._queue: deque[Pack] = deque()
        self._flying: dict[int, _Flight] = {}
        self._scales: dict[int, float] = {}
        self._alone: set[int] = set()
        self._rate: list[float] = []
        self._names: dict[int, str] = {}
        self._ours: dict[int, bool] = {}
        self._heart = Heart(self.store, self.owner, self.settings.lease_s)
        self.report = Report()
        self.executor.watch(lambda: self.stopping)

    # The loop

    def run(self) -> Report:
        """Until every trial has a result or may not be tried again, or ``stopping`` is set."""
        began = time.monotonic()
        try:
            with self._heart:
                self._await_workers()
                self._fill()
                while not self.stopping:
                    self._launch()
                    if not self._flying and not self._queue and not self._wait_for_others():
                        break
                    landed = self.executor.poll(0.5)
                    if landed:
                        self._land(landed)
        finally:
            self._give_back()
            self.report.seconds = time.monotonic() - began
            self.report.interrupted = self.stopping
        return self.report

    def _await_workers(self) -> None:
        limit = time.monotonic() + self.settings.start_timeout_s
        while not self.executor.free() and not self.stopping:
            if time.monotonic() > limit:
                raise SweepError(
                    f"no worker was ready within {self.settings.start_timeout_s:.0f} s; "
                    "look at the cluster with `ray status`, or try --address local"
                )
            self.executor.poll(0.5)

    def _fill(self) -> None:
        """Queue every trial that is free: pending, failed but allowed again, or held by a driver that died."""
        self.store.expire_leases()
        rows = self._mine(self.store.missing(self.sweep_id))
        for row in rows:
            if row.state is State.RUNNING and row.owner and is_dead(row.owner):
                self.store.release([Claim(row.id, row.attempts, row.key)], row.owner, "its driver died")
        again = [row for row in rows if row.state is State.FAILED and self._decide(row)]
        if again:
            self.store.retry([row.id for row in again])
        held = {trial for flight in self._flying.values() for trial in (c.trial for c in flight.claims)}
        free = [
            r for r in self._mine(self.store.missing(self.sweep_id)) if r.state is State.PENDING and r.id not in held
        ]
        self._enqueue(free)

    def _mine(self, rows: Sequence[TrialRow]) -> list[TrialRow]:
        wanted = [row for row in rows if self.only is None or row.id in self.only]
        # Keys never change, and to compare them takes a moment where there are many.
        self._ours |= {row.id: not self.basis.unlike(row.key) for row in wanted if row.id not in self._ours}
        return [row for row in wanted if self._ours[row.id]]

    def _enqueue(self, rows: Sequence[TrialRow]) -> None:
        for row in rows:
            self._names[row.id] = row.key.config
        items = [Item(r.id, r.key, self._scales.get(r.id, 1.0), r.id in self._alone) for r in rows]
        self._queue = deque(
            sorted([*self._queue, *packs(items, self.settings.pack_size, self.executor.slots())], key=lambda p: -p.cost)
        )

    def _decide(self, row: TrialRow) -> bool:
        """Whether a failed trial is tried again; remembers how its next attempt differs."""
        ended = [attempt for attempt in self.store.attempts(row.id) if attempt.outcome == "failed"]
        failure = row.failure or Failure.BUG
        scale = float(ended[-1].detail.get("lr_scale", 1.0)) if ended else 1.0
        alike = sum(1 for attempt in ended if attempt.failure is failure)
        decision = decide(failure, len(ended), self.settings.max_attempts, scale, alike)
        if decision.again:
            self._scales[row.id] = decision.lr_scale
            if decision.alone:
                self._alone.add(row.id)
            self._tell(Kind.AGAIN, row.id, f"{failure}: {decision.why}")
            self.report.again += 1
        return decision.again

    def _launch(self) -> None:
        while self._queue and self.executor.free() and not self.stopping:
            pack = self._queue.popleft()
            detail = {i.trial: {"lr_scale": i.lr_scale, "pack": len(pack.items)} for i in pack.items}
            ids = [item.trial for item in pack.items]
            claims = self._patiently(partial(self.store.claim, ids, self.owner, self.settings.lease_s, detail))
            if not claims:
                continue
            self._heart.hold(claims)
            held = {claim.trial: claim for claim in claims}
            items = tuple(item for item in pack.items if item.trial in held)
            pack = replace(pack, items=items)
            members = tuple(Member(i.trial, held[i.trial].attempt, i.key.config, i.key.seed, i.lr_scale) for i in items)
            task = PackTask(members, self.recipe_json, self.settings.device)
            ticket = self.executor.submit(task, self._timeout(pack))
            self._flying[ticket] = _Flight(pack, list(claims), time.monotonic())
            for member in members:
                self._tell(Kind.STARTED, member.trial)

    def _timeout(self, pack: Pack) -> float:
        if self.settings.timeout_s:
            return self.settings.timeout_s
        if not self._rate:
            return self.settings.first_timeout_s
        return max(600.0, 10 * max(self._rate) * pack.cost)

    def _land(self, landed: Sequence[Finished]) -> None:
        """Write the outcomes of packs that ended, in one transaction, and decide what becomes of failures."""
        outcomes: list[Outcome] = []
        claims: list[Claim] = []
        for finished in landed:
            flight = self._flying[finished.ticket]
            claims += flight.claims
            outcomes += self._outcomes(finished, flight)
        recorded = self._patiently(lambda: self.store.record(outcomes))
        for finished in landed:
            del self._flying[finished.ticket]
        self._heart.let_go(claims)
        accepted = set(recorded.accepted)
        self.report.fenced += len(recorded.fenced)
        failed: list[int] = []
        for outcome in outcomes:
            if outcome.trial not in accepted:
                self._tell(Kind.FENCED, outcome.trial, recorded.reasons.get(outcome.trial, ""))
            elif isinstance(outcome, Done):
                self.report.done += 1
                self._tell(Kind.DONE, outcome.trial, ", ".join(outcome.flags))
            else:
                failed.append(outcome.trial)
                self._tell(Kind.FAILED, outcome.trial, outcome.error)
        if failed:
            self._after_failures(set(failed))

    def _outcomes(self, finished: Finished, flight: _Flight) -> list[Outcome]:
        if finished.lost is None:
            if flight.pack.cost:
                self._rate.append((time.monotonic() - flight.started) / flight.pack.cost)
            return list(finished.outcomes)
        self.report.lost_packs += 1
        self._tell(Kind.LOST, flight.claims[0].trial, f"{len(flight.claims)} trials: {finished.reason}")
        return [
            Failed(c.trial, c.attempt, finished.lost, finished.reason, finished.reason, finished.node)
            for c in flight.claims
        ]

    def _after_failures(self, failed: set[int]) -> None:
        rows = [r for r in self.store.missing(self.sweep_id) if r.id in failed and r.state is State.FAILED]
        again = [row for row in rows if self._decide(row)]
        self.report.failed += len(rows) - len(again)
        if again:
            self.store.retry([row.id for row in again])
            self._enqueue(again)

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do ``work`` on the store; wait while it cannot be written, since what workers brought is worth keeping."""
        until = time.monotonic() + self.settings.store_patience_s
        pause = 0.5
        while True:
            try:
                return work()
            except StoreError as error:
                if self.stopping or "damaged" in str(error) or time.monotonic() + pause > until:
                    raise
                self.listener(Notice(Kind.WAITING, "store", str(error)))
            time.sleep(pause)
            pause = min(5.0, pause * 2)

    def _wait_for_others(self) -> bool:
        """With nothing of our own left: whether another driver still holds trials that might come back to us."""
        rows = self._mine(self.store.missing(self.sweep_id))
        if any(row.state is State.PENDING for row in rows) or any(
            row.state is State.RUNNING and row.owner and is_dead(row.owner) for row in rows
        ):
            self._fill()
            return bool(self._queue)
        if any(row.state is State.RUNNING for row in rows):
            time.sleep(min(2.0, self.settings.lease_s / 10))
            self.store.expire_leases()
            return True
        return False

    def _give_back(self) -> None:
        self.executor.close(now=self.stopping)
        claims = [claim for flight in self._flying.values() for claim in flight.claims]
        if claims:
            self._heart.let_go(claims)
            # Without a store the leases end by themselves, and this process is seen to be dead on its own host.
            with suppress(StoreError):
                self.store.release(claims, self.owner, "the driver stopped")
        self._flying.clear()

    def _tell(self, kind: Kind, trial: int, text: str = "") -> None:
        self.listener(Notice(kind, self._names.get(trial) or self.store.config_of(trial), text))
