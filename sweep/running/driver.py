"""The driver: claims what is missing, hands packs to workers, writes what comes back. The one writer."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from results_db.records import Claim, TrialRow
from results_db.states import State
from results_db.store import Store
from search_space.errors import StoreError, SweepError
from search_space.facts import Done, Failed, Failure, Outcome
from sweep.executors.core import Executor, Finished
from sweep.planning.eligibility import Basis
from sweep.planning.packs import Item, Pack, order, packs
from sweep.planning.retry_policy import Past, decide, manner_of, past_of
from sweep.running.events import Kind, Notice, Report
from sweep.running.lease_keeper import Heart
from sweep.running.lease_owner import is_dead, this_owner
from sweep.running.store_retry import Patience
from workers.task import PackTask, TrialTask

HURRY_S = 2.0
"""How long a call of the store may take once we are to stop."""


@dataclass(frozen=True)
class Settings:
    """How the driver goes about it; none of this changes a result."""

    pack_size: int = 48
    max_attempts: int = 3
    timeout_s: float = 0.0
    """A pack without an answer by then is given up; 0 leaves it to an executor that hears of their progress, and
    else takes ten times what the packs so far would suggest."""
    lease_s: float = 60.0
    device: str = "cpu"
    first_timeout_s: float = 6 * 3600
    """Until the first pack ended, where nothing is heard of them before."""
    start_timeout_s: float = 180.0
    """How long to wait for the first worker."""
    store_patience_s: float = 600.0
    """How long results are kept in memory while the store cannot be written (disk full, locked, unreachable)."""


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
        self._rate: list[float] = []
        self._names: dict[int, str] = {}
        self._ours: dict[int, bool] = {}
        self._ask = Patience(self.settings.store_patience_s, lambda: self.stopping, self._waiting)
        self._heart = Heart(self.store, self.owner, self.settings.lease_s)
        self.report = Report()
        self.executor.watch(lambda: self.stopping)

    def stop(self) -> None:
        """Stop cleanly and soon: from now on the store is not waited for."""
        self.stopping = True
        self.store.limit_waits(HURRY_S)

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
        except StoreError:
            # Who wants to stop does not wait for a store; its leases end by themselves.
            if not self.stopping:
                raise
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
        self._ask(self.store.expire_leases)
        rows = self._missing()
        for row in rows:
            if row.state is State.RUNNING and row.owner and is_dead(row.owner):
                left = [Claim(row.id, row.attempts, row.key)]
                self._ask(partial(self.store.release, left, row.owner, "its driver died"))
        self._retry([row for row in rows if row.state is State.FAILED])
        held = {trial for flight in self._flying.values() for trial in (c.trial for c in flight.claims)}
        self._enqueue([r for r in self._missing() if r.state is State.PENDING and r.id not in held])

    def _missing(self) -> list[TrialRow]:
        """The trials without a result that are ours to train."""
        rows = self._ask(partial(self.store.missing, self.sweep_id))
        wanted = [row for row in rows if self.only is None or row.id in self.only]
        # Keys never change, and to compare them takes a moment where there are many.
        self._ours |= {row.id: not self.basis.unlike(row.key) for row in wanted if row.id not in self._ours}
        return [row for row in wanted if self._ours[row.id]]

    def _enqueue(self, rows: Sequence[TrialRow]) -> None:
        for row in rows:
            self._names[row.id] = row.key.config
        past = self._past(rows)
        items = []
        for row in rows:
            manner = manner_of(past.get(row.id, ()))
            items.append(Item(row.id, row.key, manner.lr_scale, manner.alone, manner.solo))
        made = packs(items, self.settings.pack_size, self.executor.slots())
        self._queue = deque(sorted([*self._queue, *made], key=order))

    def _past(self, rows: Sequence[TrialRow]) -> Mapping[int, Sequence[Past]]:
        """The failed attempts of trials that had any: how the next one goes is decided by the store alone."""
        tried = [row.id for row in rows if row.attempts]
        if not tried:
            return {}
        found = self._ask(partial(self.store.failed_attempts, tried))
        return {trial: past_of(attempts) for trial, attempts in found.items()}

    def _retry(self, failed: Sequence[TrialRow]) -> list[TrialRow]:
        """Make those failed trials pending that may be tried again; returns them."""
        past = self._past(failed)
        again: list[TrialRow] = []
        for row in failed:
            decision = decide(past.get(row.id) or [Past(row.failure or Failure.BUG)], self.settings.max_attempts)
            if decision.again:
                again.append(row)
                self._names[row.id] = row.key.config
                self._tell(Kind.AGAIN, row.id, f"{row.failure}: again, {decision.why}")
        self.report.again += len(again)
        if again:
            self._ask(partial(self.store.retry, [row.id for row in again]))
        return again

    def _next(self) -> Pack | None:
        """The pack to start now, if any. One that needs all the memory waits until nothing else runs."""
        if not self._queue or self.stopping or not self.executor.free():
            return None
        by_itself = self._queue[0].solo or any(flight.pack.solo for flight in self._flying.values())
        return None if by_itself and self._flying else self._queue.popleft()

    def _launch(self) -> None:
        while pack := self._next():
            how = {"pack": len(pack.items)} | ({"solo": True} if pack.solo else {})
            detail = {i.trial: {"lr_scale": i.lr_scale, **how} for i in pack.items}
            ids = [item.trial for item in pack.items]
            claims = self._ask(partial(self.store.claim, ids, self.owner, self.settings.lease_s, detail))
            if not claims:
                continue
            self._heart.hold(claims)
            held = {claim.trial: claim for claim in claims}
            items = tuple(item for item in pack.items if item.trial in held)
            pack = replace(pack, items=items)
            members = tuple(
                TrialTask(i.trial, held[i.trial].attempt, i.key.config, i.key.seed, i.lr_scale) for i in items
            )
            task = PackTask(members, self.recipe_json, self.settings.device)
            ticket = self.executor.submit(task, self._timeout(pack))
            self._flying[ticket] = _Flight(pack, list(claims), time.monotonic())
            for member in members:
                self._tell(Kind.STARTED, member.trial)

    def _timeout(self, pack: Pack) -> float:
        if self.settings.timeout_s:
            return self.settings.timeout_s
        if self.executor.hears:
            return math.inf
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
        recorded = self._ask(partial(self.store.record, outcomes))
        for finished in landed:
            del self._flying[finished.ticket]
        self._heart.let_go(claims)
        # Repeated: written before the connection dropped, and met again by the repeat. No driver but us had them.
        accepted = {*recorded.accepted, *recorded.repeated}
        self.report.fenced += len(set(recorded.fenced) - accepted)
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
        rows = [r for r in self._missing() if r.id in failed and r.state is State.FAILED]
        again = self._retry(rows)
        self.report.failed += len(rows) - len(again)
        self._enqueue(again)

    def _waiting(self, why: str) -> None:
        self.listener(Notice(Kind.WAITING, "store", why))

    def _wait_for_others(self) -> bool:
        """With nothing of our own left: whether another driver still holds trials that might come back to us."""
        rows = self._missing()
        if any(row.state is State.PENDING for row in rows) or any(
            row.state is State.RUNNING and row.owner and is_dead(row.owner) for row in rows
        ):
            self._fill()
            return bool(self._queue)
        if any(row.state is State.RUNNING for row in rows):
            time.sleep(min(2.0, self.settings.lease_s / 10))
            self._ask(self.store.expire_leases)
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
        name = self._names.get(trial) or self._ask(partial(self.store.config_of, trial))
        self.listener(Notice(kind, name, text))
