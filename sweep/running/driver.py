"""The driver: claims missing trials, submits packs to workers, stores their outcomes. It alone writes results."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from results_db.reading.costs import CPUS, GPUS
from results_db.records import Claim, TrialRow
from results_db.rescue import rescue
from results_db.states import State
from results_db.store import Store
from search_space import parse_id
from search_space.errors import StoreError, StoreLost, SweepError
from search_space.facts import Checkpoint, Done, Failed, Failure, Outcome
from sweep.executors.core import Executor, Finished, NamedWorkers, WorkerName
from sweep.planning.open_sweep import OpenSweep
from sweep.planning.pack_queue import PackQueue, with_only
from sweep.planning.packs import DEFAULT_PACK_SIZE, Item, Pack, packs
from sweep.planning.retry_policy import FailedAttempt, adjustment_after, decide, failed_attempts
from sweep.planning.training_progress import TrainingLedger, step_cost
from sweep.running.backlog import Backlog, read_ahead
from sweep.running.events import DriverEvent, EventKind, Report
from sweep.running.first_failures import FirstFailures
from sweep.running.lease_keeper import LeaseKeeper
from sweep.running.lease_owner import is_dead, this_owner
from sweep.running.store_retry import StoreRetry
from workers.checkpointing import CHECKPOINT_EVERY_S
from workers.task import PackTask, TrialTask
from workers.training import precision

PROGRESS_EVERY_S = 1.0
"""Between two reports of the steps that were taken."""
HANDED_OVER = "goes on on a faster worker"
TELL_WAITING_S = 20.0
"""A start without any worker is mentioned after this time."""
LOOK_AHEAD = 1000
"""Trials whose state is looked at when another driver has taken a pack."""
STOPPING_STORE_S = 2.0
"""How long a call of the store may take once the driver is stopping."""
STOPPING_WORKERS_S = 4.0
"""How long workers may take to end their step and hand out their state once the driver is stopping."""


@dataclass(frozen=True)
class DriverSettings:
    """How the driver works; none of this changes a result."""

    pack_size: int | None = None
    """Most members of a pack; None: 48, and on GPUs a whole scale."""
    max_attempts: int = 3
    timeout_s: float = 0.0
    """A pack that takes longer is given up. 0: an executor that reports progress gives up packs without any; with
    another one the limit is ten times what the packs so far suggest."""
    lease_s: float = 60.0
    checkpoint_every_s: float = CHECKPOINT_EVERY_S
    """Seconds between two stored states of a pack in training; 0 stores one only on a clean stop."""
    device: str = "cpu"
    first_timeout_s: float = 6 * 3600
    """The limit until the first pack has ended, for an executor that does not report progress."""
    start_timeout_s: float = 180.0
    """How long to wait for the first worker; machines that an autoscaler starts take minutes."""
    cpus: float = 1.0
    """Processors that a worker holds."""
    gpus: float = 0.0
    """GPUs that it holds, where the executor names none."""
    store_retry_s: float = 600.0
    """How long results are kept in memory while the store cannot be written (disk full, locked, unreachable)."""

    def held(self, worker: WorkerName) -> dict[str, float]:
        """What is kept with an attempt of the processors that it holds: nothing of one processor alone."""
        return ({CPUS: self.cpus} if self.cpus != 1 else {}) | ({GPUS: worker.gpus} if worker.gpus else {})


@dataclass
class _Running:
    """A submitted pack with its claims."""

    pack: Pack
    claims: list[Claim]
    started: float
    worker: WorkerName
    handed_over: bool = False
    """It was stopped to go on on a faster worker."""


@dataclass
class Driver:
    """Brings one sweep to its end, or as far as it can."""

    sweep: OpenSweep
    executor: Executor
    settings: DriverSettings = field(default_factory=DriverSettings)
    listener: Callable[[DriverEvent], None] = lambda event: None
    stopping: bool = False
    """Set to stop cleanly: no new packs, workers closed, leases released."""
    owner: str = field(default_factory=this_owner)

    def __post_init__(self) -> None:
        """Raises SweepError when the device of the workers cannot train in the recipe's precision."""
        precision.check(self.sweep.recipe.precision, self.settings.device)
        self._queue = PackQueue()
        self._backlog = Backlog(self.sweep)
        self._running: dict[int, _Running] = {}
        self._configs: dict[int, str] = {}
        self._first_failures = FirstFailures()
        self._unsaved: list[Outcome] = []
        self._unsaved_states: dict[int, Checkpoint] = {}
        self._with_retry = StoreRetry(
            self.settings.store_retry_s, lambda: self.stopping, partial(self._report_waiting, "store")
        )
        self._ledger = TrainingLedger()
        self._reported = -math.inf
        self._leases = LeaseKeeper(self.store, self.owner, self.settings.lease_s)
        self.report = Report()
        self.executor.connect(lambda: self.stopping, self._save_checkpoints)

    @property
    def store(self) -> Store:
        """The store of the sweep."""
        return self.sweep.store

    def stop(self) -> None:
        """Stop cleanly and soon: from now on the store is not waited for."""
        self.stopping = True
        self.store.limit_waits(STOPPING_STORE_S)

    # The loop

    def run(self) -> Report:
        """Until every trial has a result or may not be tried again, or ``stopping`` is set."""
        started = time.monotonic()
        try:
            with self._leases:
                self._await_workers()
                self._fill_queue()
                while not self.stopping:
                    self._read_ahead()
                    self._submit_packs()
                    self._hand_over()
                    if not self._running and not self._queue and not self._wait_for_other_drivers():
                        break
                    finished = self.executor.poll(0.5)
                    if finished:
                        self._store_outcomes(finished)
                    self._report_progress()
                    self._leases.check()
                    self.store.database.check_file()
        except StoreError as error:
            # A stopping driver does not wait for the store; its leases end by themselves.
            if not self.stopping or isinstance(error, StoreLost):
                raise self._keep_results(error) from None
        finally:
            self._close()
            self.report.seconds = time.monotonic() - started
            self.report.interrupted = self.stopping
        return self.report

    def _await_workers(self) -> None:
        began = time.monotonic()
        told = False
        while not self.executor.free() and not self.stopping:
            waited = time.monotonic() - began
            if waited > TELL_WAITING_S and not told:
                told = True
                self._report_waiting("cluster", "no worker is ready yet")
            if waited > self.settings.start_timeout_s:
                raise SweepError(
                    f"no worker was ready within {self.settings.start_timeout_s:.0f} s; "
                    "look at the cluster with `ray status`, or try --address local"
                )
            self._store_outcomes(self.executor.poll(0.5))

    def _fill_queue(self) -> None:
        """Queue the first trials that are free: pending, failed but allowed again, or claimed by a driver that died."""
        self._take_over()
        self._retry(self._with_retry(lambda: self.sweep.trials_to_do((State.FAILED,))))
        for config, count in self._with_retry(lambda: self.sweep.to_do((State.PENDING,))).items():
            self._ledger.expect(count, *self._steps_and_cost(config))
        self._read_from_start()

    def _take_over(self) -> None:
        """Make the trials pending whose driver died."""
        self._with_retry(self.store.expire_leases)
        dead = {owner for owner in self._with_retry(partial(self.store.owners, self.sweep.id)) if is_dead(owner)}
        if dead:
            rows = self._with_retry(lambda: self.sweep.trials_to_do((State.RUNNING,)))
            for owner in dead:
                claims = [Claim(row.id, row.attempts, row.key) for row in rows if row.owner == owner]
                self._with_retry(partial(self.store.release, claims, owner, "its driver died"))

    def _read_from_start(self) -> None:
        """Some trials may have become pending again that were read before."""
        self._backlog = Backlog(self.sweep)
        self._read_ahead()

    def _read_ahead(self) -> None:
        """Queue the next pending trials before those that are queued run out."""
        least = read_ahead(self.executor.slots(), self.settings.pack_size or DEFAULT_PACK_SIZE)
        if self._backlog.more and self._queue.trials < least / 2:
            rows = self._with_retry(partial(self._backlog.read, least))
            # A lease that lapsed makes a trial pending, although its pack may still run here.
            running = {claim.trial for pack in self._running.values() for claim in pack.claims}
            self._enqueue([row for row in rows if row.id not in running])

    def _steps_and_cost(self, config_id: str) -> tuple[int, float]:
        """Training steps of a config, and what one costs."""
        config = parse_id(config_id)
        return self.sweep.recipe.steps_of(config), step_cost(config)

    def _enqueue(self, rows: Sequence[TrialRow], whole: bool = False) -> None:
        """Queue trials in packs: as large as may be with ``whole``, else so that every worker gets some."""
        for row in rows:
            self._configs[row.id] = row.key.config
        failed = self._failed_attempts(rows)
        steps = self._with_retry(partial(self.store.checkpoint_steps, [row.id for row in rows if row.attempts]))
        items = []
        costs = {config: self._steps_and_cost(config) for config in {row.key.config for row in rows}}
        for row in rows:
            adjustment = adjustment_after(failed.get(row.id, ()))
            step = steps.get(row.id, 0)
            planned, cost = costs[row.key.config]
            left = float(max(0, planned - step))
            self._ledger.add(row.id, planned, cost, step)
            items.append(
                Item(
                    row.id,
                    row.key,
                    adjustment.lr_scale,
                    adjustment.own_pack,
                    adjustment.exclusive,
                    adjustment.plain,
                    step,
                    left,
                )
            )
        devices = self._devices() or {precision.kind_of(self.settings.device): self.executor.slots()}
        gpus = sum(count for device, count in devices.items() if device != "cpu")
        workers = gpus or self.executor.slots()
        self._queue.add(packs(items, self.settings.pack_size, workers, on_gpu=gpus > 0, whole=whole))

    def _failed_attempts(self, rows: Sequence[TrialRow]) -> Mapping[int, Sequence[FailedAttempt]]:
        """The failed attempts of those trials that have any, by trial id."""
        tried = [row.id for row in rows if row.attempts]
        if not tried:
            return {}
        attempts = self._with_retry(partial(self.store.failed_attempts, tried))
        return {trial: failed_attempts(rows) for trial, rows in attempts.items()}

    def _retry(self, rows: Sequence[TrialRow]) -> list[TrialRow]:
        """Make those failed trials pending that may be tried again; returns them."""
        failed = self._failed_attempts(rows)
        again: list[TrialRow] = []
        for row in rows:
            attempts = failed.get(row.id) or [FailedAttempt(row.failure or Failure.BUG)]
            decision = decide(attempts, self.settings.max_attempts)
            if decision.retry:
                again.append(row)
                self._configs[row.id] = row.key.config
                self._report(EventKind.AGAIN, row.id, f"{row.failure}: again, {decision.reason}")
        self.report.again += len(again)
        if again:
            self._with_retry(partial(self.store.retry, [row.id for row in again]))
        return again

    def _devices(self) -> Mapping[str, int]:
        return self.executor.devices() if isinstance(self.executor, NamedWorkers) else {}

    def _next_worker(self) -> WorkerName:
        if isinstance(self.executor, NamedWorkers):
            return self.executor.next_worker()
        return WorkerName("", self.settings.device, gpus=self.settings.gpus)

    def _next_pack(self) -> Pack | None:
        """The pack to start now, if any. An exclusive pack waits until nothing else runs."""
        if not self._queue or self.stopping or not self.executor.free():
            return None
        # An exclusive pack runs with no other beside it.
        alone = len(self._running) == 1 and next(iter(self._running.values())).pack.exclusive
        if alone or (self._running and self._queue.only_exclusive):
            return None
        return self._queue.take(self._next_worker().device, self._devices())

    def _hand_over(self) -> None:
        """With nothing left to start and a GPU free, stop what a CPU would train for long: it goes on on the GPU."""
        executor = self.executor
        if self._queue or self.stopping or not isinstance(executor, NamedWorkers) or not executor.free():
            return
        to, now = executor.next_worker().device, time.monotonic()
        for ticket, steps in executor.steps().items():
            running = self._running.get(ticket)
            if running is None or running.handed_over:
                continue
            items = running.pack.items
            done = self._ledger.share((item.trial for item in items), items[0].step, steps)
            if self._queue.better_moved(running.pack, running.worker.device, now - running.started, done, to):
                running.handed_over = True
                executor.interrupt(ticket)
                return

    def _submit_packs(self) -> None:
        while pack := self._next_pack():
            worker = self._next_worker()
            # "solo" is what databases call it.
            shared = {"pack": len(pack.items), **self.settings.held(worker), **worker.detail}
            shared |= {"solo": True} if pack.exclusive else {}
            detail = {
                item.trial: {"lr_scale": item.lr_scale, **shared} | ({"from_step": item.step} if item.step else {})
                for item in pack.items
            }
            trials = [item.trial for item in pack.items]
            claims = self._with_retry(partial(self.store.claim, trials, self.owner, self.settings.lease_s, detail))
            if not claims:
                self._drop_taken()
                continue
            self._leases.add(claims)
            attempts = {claim.trial: claim.attempt for claim in claims}
            items = tuple(item for item in pack.items if item.trial in attempts)
            pack = replace(pack, items=items)
            task = PackTask(
                self._members(items, attempts),
                self.sweep.row.recipe_json,
                self.settings.device,
                self.settings.checkpoint_every_s,
            )
            ticket = self.executor.submit(task, self._timeout(pack))
            self._running[ticket] = _Running(pack, list(claims), time.monotonic(), worker)
            for member in task.members:
                self._report(EventKind.STARTED, member.trial)

    def _drop_taken(self) -> None:
        """Another driver was faster: take what it has out of the next packs too, with one look for many."""
        coming = self._queue.take_trials(LOOK_AHEAD)
        trials = [item.trial for pack in coming for item in pack.items]
        rows = self._with_retry(partial(self.store.some_trials, trials, (State.PENDING,)))
        free = {row.id for row in rows}
        self._queue.add(left for pack in coming if (left := with_only(pack, free)))

    def _members(self, items: Sequence[Item], attempts: Mapping[int, int]) -> tuple[TrialTask, ...]:
        """The members of a pack, each with its stored checkpoint if it has one."""
        begun = [item.trial for item in items if item.step]
        states = self._with_retry(partial(self.store.checkpoints, begun)) if begun else {}
        return tuple(
            TrialTask(
                item.trial,
                attempts[item.trial],
                item.key.config,
                item.key.seed,
                item.lr_scale,
                states[item.trial].data if item.trial in states else None,
                item.plain,
            )
            for item in items
        )

    def _save_checkpoints(self, states: Sequence[Checkpoint]) -> None:
        """A state that cannot be stored is replaced by the next one; results are stored again by ``StoreRetry``."""
        for state in states:
            self._ledger.put(state.trial, state.step)
        self._unsaved_states |= {state.trial: state for state in states}
        with suppress(StoreError):
            self.store.save_checkpoints(states)
            for state in states:
                self._unsaved_states.pop(state.trial, None)

    def _keep_results(self, error: StoreError) -> StoreError:
        """Have the workers hand out what they have, keep all that is not stored, and say where."""
        with suppress(SweepError):
            for end in self.executor.stop(STOPPING_WORKERS_S):
                self._unsaved += end.outcomes
        claims = [claim for running in self._running.values() for claim in running.claims]
        kept = rescue(self.store, self.sweep.row, claims, self._unsaved, list(self._unsaved_states.values()), error)
        return StoreError(f"{error}; {kept}")

    def _timeout(self, pack: Pack) -> float:
        if self.settings.timeout_s:
            return self.settings.timeout_s
        if self.executor.reports_progress:
            return math.inf
        longest = self._queue.speeds.longest(pack.cost)
        return self.settings.first_timeout_s if longest is None else max(600.0, 10 * longest)

    def _store_outcomes(self, finished: Sequence[Finished]) -> None:
        """Store the outcomes of packs that ended, in one transaction, and decide what follows failures."""
        claims: list[Claim] = []
        for notice in [end for end in finished if not end.ticket]:
            self._report_node(notice.given_up)
        finished = [end for end in finished if end.ticket]
        if not finished:
            return
        by_pack: list[tuple[Finished, list[Outcome]]] = []
        for end in finished:
            running = self._running[end.ticket]
            claims += running.claims
            by_pack.append((end, self._outcomes(end, running)))
        outcomes = [outcome for _, of_pack in by_pack for outcome in of_pack]
        self._unsaved = outcomes
        recorded = self._with_retry(partial(self.store.record, outcomes))
        self._unsaved = []
        for outcome in outcomes:
            self._unsaved_states.pop(outcome.trial, None)
        ended = [self._running.pop(end.ticket) for end in finished]
        self._leases.remove(claims)
        reason = next((end.reason for end in finished if not end.lost), "")
        moved = any(running.handed_over for running in ended)
        self._release_stopped(claims, outcomes, reason or (HANDED_OVER if moved else "stopped"), moved)
        # ``repeated`` were stored just before the connection dropped: the repeated write met our own results.
        accepted = {*recorded.accepted, *recorded.repeated}
        self.report.fenced += len(set(recorded.fenced) - accepted)
        failed: set[int] = set()
        for outcome in outcomes:
            if outcome.trial not in accepted:
                self._report(EventKind.FENCED, outcome.trial, recorded.reasons.get(outcome.trial, ""))
            elif isinstance(outcome, Done):
                self.report.done += 1
                self._ledger.done(outcome.trial)
                self._report(EventKind.DONE, outcome.trial, ", ".join(outcome.flags))
                self._configs.pop(outcome.trial, None)
            else:
                failed.add(outcome.trial)
                self._report(EventKind.FAILED, outcome.trial, outcome.error)
        self._excuse(finished, failed)
        self._shared_fault(by_pack)
        if failed:
            self._after_failures(failed)

    def _release_stopped(
        self, claims: Sequence[Claim], outcomes: Sequence[Outcome], reason: str, whole: bool = False
    ) -> None:
        """Give back the members without an outcome of packs that were stopped or whose node left.

        They go on from their checkpoints.
        """
        with_outcome = {outcome.trial for outcome in outcomes}
        stopped = [claim for claim in claims if claim.trial not in with_outcome]
        if stopped:
            self._with_retry(partial(self.store.release, stopped, self.owner, reason))
            if not self.stopping:
                self._enqueue(self._rows([claim.trial for claim in stopped], State.PENDING), whole)

    def _outcomes(self, end: Finished, running: _Running) -> list[Outcome]:
        if end.lost is not None or end.reason:
            self.report.lost_packs += 1
            self._report(EventKind.LOST, running.claims[0].trial, f"{len(running.claims)} trials: {end.reason}")
        elif not running.handed_over:
            self._queue.speeds.see(running.worker.device, time.monotonic() - running.started, running.pack.cost)
        if end.lost is None:
            return list(end.outcomes)
        return [
            Failed(claim.trial, claim.attempt, end.lost, end.reason, end.reason, end.node) for claim in running.claims
        ]

    def _excuse(self, finished: Sequence[Finished], failed: set[int]) -> None:
        """Have the attempts that a broken node failed not count, and try their trials again elsewhere."""
        pairs = [pair for end in finished for pair in end.excused]
        if pairs:
            reason = next(end.given_up for end in finished if end.excused)
            again = set(self._with_retry(partial(self.store.excuse, pairs, reason)))
            self.report.again += len(again)
            self.report.failed -= len(again - failed)
            self._enqueue(self._rows(again, State.PENDING))
        for end in finished:
            if end.given_up:
                self._report_node(end.given_up)

    def _report_node(self, text: str) -> None:
        self.listener(DriverEvent(EventKind.NODE, "given up", text))

    def _shared_fault(self, by_pack: Sequence[tuple[Finished, Sequence[Outcome]]]) -> None:
        """Raise SweepError, and give all back, when the first trials of this run all failed with one error."""
        for end, outcomes in by_pack:
            self._first_failures.add(end, outcomes)
        fault = self._first_failures.verdict()
        if fault:
            self._with_retry(partial(self.store.excuse, list(self._first_failures.attempts), fault))
            raise SweepError(f"{fault}; all trials are given back: mend it and run the same command again")

    def _after_failures(self, failed: set[int]) -> None:
        rows = self._rows(failed, State.FAILED)
        again = self._retry(rows)
        self.report.failed += len(rows) - len(again)
        self._enqueue(again)

    def _rows(self, trials: Collection[int], state: State) -> list[TrialRow]:
        """Those of ``trials`` that are to be worked on and in that state."""
        return self.sweep.workable(self._with_retry(partial(self.store.some_trials, trials, (state,))))

    def _wait_for_other_drivers(self) -> bool:
        """With nothing left to do here: whether another driver holds trials that may become free."""
        self._take_over()
        self._read_from_start()
        if self._queue:
            return True
        if self._with_retry(lambda: self.sweep.to_do((State.RUNNING,))):
            time.sleep(min(2.0, self.settings.lease_s / 10))
            return True
        return False

    def _close(self) -> None:
        try:
            # States and results that come within the time are stored; without a store the last states are there.
            if self.stopping and self._running and (finished := self.executor.stop(STOPPING_WORKERS_S)):
                self._store_outcomes(finished)
        except StoreLost as lost:
            raise self._keep_results(lost) from None
        except SweepError:
            pass
        finally:
            self.executor.close(now=self.stopping)
        claims = [claim for running in self._running.values() for claim in running.claims]
        if claims:
            self._leases.remove(claims)
            # Without a store the leases end by themselves, and drivers of this host see that this process is dead.
            with suppress(StoreError):
                self.store.release(claims, self.owner, "the driver stopped")
        self._running.clear()

    def _report(self, kind: EventKind, trial: int, text: str = "") -> None:
        config = self._configs.get(trial) or self._with_retry(partial(self.store.config_of, trial))
        self.listener(DriverEvent(kind, config, text, trial))

    def _report_progress(self) -> None:
        """Say how far the training is, at most every ``PROGRESS_EVERY_S``."""
        now = time.monotonic()
        if now - self._reported < PROGRESS_EVERY_S:
            return
        self._reported = now
        if self.executor.reports_progress:
            for ticket, steps in self.executor.steps().items():
                if ticket in self._running:
                    self._ledger.put_all((item.trial for item in self._running[ticket].pack.items), steps)
        self.listener(DriverEvent(EventKind.PROGRESS, "", progress=self._ledger.progress))

    def _report_waiting(self, what: str, reason: str) -> None:
        self.listener(DriverEvent(EventKind.WAITING, what, reason))
