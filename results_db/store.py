"""The ``Store``: the one interface to all facts of all sweeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import select

from results_db.connection import opening
from results_db.connection.engine import BUSY_TIMEOUT_S, RECONNECT_S, Database
from results_db.connection.urls import parse
from results_db.records import (
    Added,
    AttemptRow,
    Claim,
    Counts,
    EventRow,
    Planned,
    Position,
    Recorded,
    Source,
    SweepRow,
    TrialGroup,
    TrialRow,
    damage,
)
from results_db.schema import artifact, trial
from results_db.states import State
from results_db.tables import checkpoints as checkpoint_table
from results_db.tables import history, imported_quality, leases, outcomes, planned_trials, speeds, trials
from search_space.errors import StoreError
from search_space.facts import Artifact, Checkpoint, Failure, Outcome, Quality, Speed, TrialKey


class Store:
    """All facts of all sweeps, in SQLite or PostgreSQL. Every write is one transaction and may be repeated.

    Open it with ``Store.open(url)``, best as a context manager. Methods raise StoreError.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, Store.open(f"{folder}/new.db") as store:
        ...     store.counts()
        Counts(planned=0, pending=0, running=0, done=0, failed=0)
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(
        cls,
        url: str | Path,
        readonly: bool = False,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        reconnect_s: float = RECONNECT_S,
        make: bool = True,
    ) -> Store:
        """Open or (unless ``make`` is off) make a store at ``url`` (a bare path means SQLite).

        An older schema is migrated after a backup. ``readonly`` neither makes nor changes anything and
        may be used while a sweep writes. Raises StoreError for a newer, foreign, damaged, locked or
        unreachable database.
        """
        database = Database(parse(str(url)), readonly, busy_timeout_s, reconnect_s)
        try:
            opening.prepare(database, make and not readonly)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @property
    def url(self) -> str:
        """Its address, for messages (no password)."""
        return str(self.database.address)

    def limit_waits(self, seconds: float) -> None:
        """Limit how long any call, also one that is waiting now, waits for the database."""
        self.database.limit_waits(seconds)

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Sweeps and trials

    def create_sweep(
        self,
        name: str,
        space: str,
        recipe_json: str,
        git: str = "unknown",
        *,
        source: Source = Source.OURS,
        settings: Mapping[str, Any] | None = None,
    ) -> int:
        """The id of the sweep ``name``, made if it is new.

        ``settings`` is what a resume on another machine needs. Raises StoreError when a sweep of that
        name was made with another space or recipe.
        """
        return self.database.write(
            lambda c: trials.create_sweep(c, name, space, recipe_json, git, source, settings or {})
        )

    def change_settings(self, sweep_id: int, settings: Mapping[str, Any]) -> None:
        """Put ``settings`` in the place of a sweep's own."""
        self.database.write(lambda c: trials.change_settings(c, sweep_id, settings))

    def sweeps(self) -> list[SweepRow]:
        """All sweeps, oldest first."""
        return self.database.read(trials.sweeps)

    def sweep(self, wanted: int | str) -> SweepRow:
        """One sweep by id or name; raises StoreError naming those there are."""
        number = self.sweep_id(wanted)
        return next(row for row in self.sweeps() if row.id == number)

    def sweep_id(self, wanted: int | str) -> int:
        """The id of a sweep named by id or name (a name of digits alone may be the number)."""
        return self.database.read(lambda c: trials.sweep_id(c, wanted))

    def plan(self, sweep_id: int, keys: Iterable[TrialKey], source: Source = Source.OURS) -> Planned:
        """Make the trials that ``keys`` name part of the sweep. Idempotent; stored results are shared."""
        listed = list(keys)
        return self.database.write(lambda c: planned_trials.plan(c, sweep_id, listed, source))

    def trial_ids(self, keys: Iterable[TrialKey]) -> dict[TrialKey, int]:
        """The ids of those keys that are planned in any sweep."""
        listed = list(keys)
        return self.database.read(lambda c: planned_trials.trial_ids(c, listed))

    def done_keys(self, keys: Iterable[TrialKey]) -> set[TrialKey]:
        """Those of ``keys`` that a trial of any sweep has a result of."""
        listed = list(keys)
        return set(self.database.read(lambda c: planned_trials.trial_ids(c, listed, State.DONE)))

    def trials(self, sweep_id: int | None = None, states: Sequence[State] | None = None) -> list[TrialRow]:
        """The trials of a sweep (None: of all), in planned order."""
        return self.database.read(lambda c: trials.trials(c, sweep_id, states))

    def missing(self, sweep_id: int) -> list[TrialRow]:
        """The trials of a sweep without a result: pending, running (perhaps elsewhere) and failed."""
        return self.trials(sweep_id, (State.PENDING, State.RUNNING, State.FAILED))

    def some_trials(self, trial_ids: Iterable[int], states: Sequence[State] = tuple(State)) -> list[TrialRow]:
        """Those of these trials that are in one of ``states``, in planned order."""
        listed = list(trial_ids)
        return self.database.read(lambda c: trials.some(c, listed, states))

    def page(self, sweep_id: int, state: State, after: int, limit: int) -> list[TrialRow]:
        """The first ``limit`` trials of a sweep in a state whose id is above ``after``: a million are read in parts."""
        return self.database.read(lambda c: trials.page(c, sweep_id, state, after, limit))

    def owners(self, sweep_id: int) -> dict[str, int]:
        """Who holds running trials of a sweep, and how many."""
        return self.database.read(lambda c: trials.owners(c, sweep_id))

    def groups(self, sweep_id: int, states: Sequence[State] = tuple(State)) -> list[TrialGroup]:
        """The trials of a sweep in some states, counted by all of their key but the seed."""
        return self.database.read(lambda c: trials.groups(c, sweep_id, states))

    def configs_by_state(self, sweep_id: int | None = None) -> dict[State, dict[str, int]]:
        """How many trials of each config are in each state, in a sweep or in all."""
        return self.database.read(lambda c: trials.configs_by_state(c, sweep_id))

    def counts(self, sweep_id: int | None = None) -> Counts:
        """How many trials of a sweep (None: of all) are in each state."""
        return self.database.read(lambda c: trials.counts(c, sweep_id))

    # Claims and leases

    def claim(
        self,
        trial_ids: Sequence[int],
        owner: str,
        lease_s: float,
        detail: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> list[Claim]:
        """Claim those of ``trial_ids`` that are free, atomically, for ``lease_s`` seconds.

        ``detail`` (by trial id) is kept with the attempt, for example ``{7: {"lr_scale": 0.5}}``.
        Those of these trials whose lease ran out are taken over. Several drivers may call this at once: each trial
        goes to one.
        """
        token = leases.new_token()
        return self.database.write(lambda c: leases.claim(c, trial_ids, owner, lease_s, token, detail or {}))

    def extend_lease(self, claims: Sequence[Claim], owner: str, lease_s: float) -> list[Claim]:
        """Renew leases; returns the claims that are still held. Stop working on the others."""
        return self.database.write(lambda c: leases.extend(c, claims, owner, lease_s))

    def release(self, claims: Sequence[Claim], owner: str, reason: str = "given back") -> int:
        """Give claims back unfinished; their trials are pending again. Returns how many were held."""
        return self.database.write(lambda c: leases.release(c, claims, owner, reason))

    def expire_leases(self) -> list[int]:
        """Make the trials pending whose lease ran out; returns their ids."""
        return self.database.write(leases.expire)

    def add_energy(self, sweep_id: int, joules: float) -> None:
        """Keep the energy that one run of a sweep took, in J; ``results_db.reading.costs`` adds them up."""
        self.database.write(lambda c: history.add_energy(c, sweep_id, joules))

    def retry(
        self,
        trial_ids: Sequence[int] | None = None,
        failure: Failure | None = None,
        sweep_id: int | None = None,
    ) -> list[int]:
        """Make failed trials pending again: these, those of a class, those of a sweep, or all. Returns their ids."""
        return self.database.write(lambda c: history.retry(c, trial_ids, failure, sweep_id))

    def excuse(self, attempts: Sequence[tuple[int, int]], reason: str) -> list[int]:
        """Have failed attempts (trial, number) not count: they were not the trial's fault, for example a broken node's.

        Trials that are failed by one of them become pending. Returns their ids. What the attempts said is kept.
        """
        return self.database.write(lambda c: history.excuse(c, attempts, reason))

    # Results

    def record(self, results: Iterable[Outcome]) -> Recorded:
        """Write outcomes in one transaction, all or none; idempotent.

        Fenced, with the reason: an attempt that was taken over, one that already brought its result,
        one that was never claimed. A late result of the newest attempt still counts.
        """
        listed = list(results)
        return self.database.write(lambda c: outcomes.record(c, listed))

    def save_checkpoints(self, checkpoints: Iterable[Checkpoint]) -> Recorded:
        """Keep the state of trials in training, each in the place of the one before.

        Fenced, with the reason, like a late result: an attempt that was taken over or has ended. ``record`` removes
        the checkpoint of a trial that is done, or failed in a way that makes it useless
        (``Failure.spares_checkpoint``).
        """
        listed = list(checkpoints)
        return self.database.write(lambda c: checkpoint_table.save(c, listed))

    def checkpoints(self, trial_ids: Sequence[int]) -> dict[int, Checkpoint]:
        """The newest checkpoint of each of these trials that has one."""
        return self.database.read(lambda c: checkpoint_table.read(c, trial_ids))

    def positions(self, sweep_id: int | None = None) -> list[Position]:
        """How far each pending or running trial of a sweep (None: of all) is that has a checkpoint, without reading
        its state."""
        return self.database.read(lambda c: checkpoint_table.positions(c, sweep_id))

    def checkpoint_steps(self, trial_ids: Sequence[int]) -> dict[int, int]:
        """How many training steps the checkpoint of each of these trials holds; trials without one are left out."""
        return self.database.read(lambda c: checkpoint_table.steps(c, trial_ids))

    def add_qualities(
        self,
        sweep_id: int,
        qualities: Iterable[Quality],
        source: Source,
        *,
        label: str | None = None,
        parameters: Mapping[str, int] | None = None,
    ) -> Added:
        """Keep results that no attempt of ours made (published, re-evaluated), as one finished trial per config.

        ``label`` (default: the source) stands in the trials' keys where recipe, data and code are not
        known; ``parameters`` is the source's own count by config. A value that is stored already stays,
        and is counted as ``same`` or ``different``.
        """
        listed = list(qualities)
        name = label or str(source)
        return self.database.write(lambda c: imported_quality.add(c, sweep_id, listed, source, name, parameters or {}))

    def add_trial_qualities(self, trial_id: int, qualities: Iterable[Quality]) -> Added:
        """Keep further quality of one trial of ours, for example on another test set or under another protocol."""
        facts = [(trial_id, tuple(qualities))]
        return self.database.write(lambda c: imported_quality.add_to_trials(c, facts))

    def unmeasured(self, sweep_id: int, dataset: str, metric: str, protocol: str) -> list[int]:
        """The finished trials of a sweep without that quality."""
        return self.database.read(lambda c: speeds.unmeasured(c, sweep_id, dataset, metric, protocol))

    def add_speeds(self, measurements: Iterable[Speed], source: Source = Source.OURS) -> Added:
        """Keep speeds; a newer measurement of the same thing takes the place of the older."""
        listed = list(measurements)
        return self.database.write(lambda c: speeds.add_speeds(c, listed, source))

    def mark_speeds(
        self,
        device: str,
        backend: str,
        precision: str,
        protocol: str,
        mark: Callable[[Sequence[Speed]], Sequence[Speed]],
    ) -> list[Speed]:
        """Call ``mark`` with all our speeds of one kind and store the details it returns; times and speeds stay.

        ``mark`` must return the speeds in the order it got them, and may be called again. Returns what it returned.
        """
        kind = {"device": device, "backend": backend, "precision": precision, "protocol": protocol}
        return self.database.write(lambda c: speeds.mark_speeds(c, Source.OURS, mark, **kind))

    # Looking back

    def speeds(
        self,
        config: str | None = None,
        device: str | None = None,
        backend: str | None = None,
        precision: str | None = None,
        protocol: str | None = None,
        source: Source = Source.OURS,
    ) -> list[Speed]:
        """Speeds with the given values and all their detail; ``frames.results`` has them without the detail."""
        kind = {"device": device, "backend": backend, "precision": precision, "protocol": protocol}
        return self.database.read(lambda c: speeds.speeds(c, source, config=config, **kind))

    def attempts(self, of: int | str | None = None, sweep_id: int | None = None) -> list[AttemptRow]:
        """All attempts at a trial (its id), a config (its name) or anything, oldest first."""
        return self.database.read(lambda c: history.attempts(c, of, sweep_id))

    def failed_attempts(self, trial_ids: Iterable[int]) -> dict[int, list[AttemptRow]]:
        """The attempts of each of these trials that failed, oldest first; trials without one are left out."""
        listed = list(trial_ids)
        return self.database.read(lambda c: history.failed_attempts(c, listed))

    def failures(self, sweep_id: int | None = None) -> list[AttemptRow]:
        """The last attempt of each trial that is failed."""
        return self.database.read(lambda c: history.failures(c, sweep_id))

    def running(self, sweep_id: int | None = None) -> list[AttemptRow]:
        """The attempts that run now."""
        return self.database.read(lambda c: history.running(c, sweep_id))

    def events(self, trial_id: int | None = None, limit: int = 1000) -> list[EventRow]:
        """The newest events of a trial (None: of all): fenced results, leases that ran out, retries."""
        return self.database.read(lambda c: history.events(c, trial_id, limit))

    def artifact(self, trial_id: int, kind: str = "weights") -> Artifact | None:
        """A file that a trial made, or None; raises StoreError when its bytes no longer match its SHA-256."""
        query = select(artifact.c.data, artifact.c.sha256).where(
            artifact.c.trial_id == trial_id, artifact.c.kind == kind
        )
        row = self.database.read(lambda c: c.execute(query).one_or_none())
        if row is None:
            return None
        data = bytes(row.data)
        if found := damage(kind, trial_id, data, row.sha256):
            raise StoreError(f"{self.url}: {found}")
        return Artifact(kind, data, row.sha256)

    def done_trial(self, config: str, sweep_id: int | None = None) -> int | None:
        """The newest finished trial of ours for a config, which has its weights."""
        rows = [row for row in self.trials(sweep_id, (State.DONE,)) if row.key.config == config]
        return rows[-1].id if rows else None

    def config_of(self, trial_id: int) -> str:
        """The config of a trial; raises StoreError when there is none."""
        found = self.database.read(lambda c: c.execute(select(trial.c.config).where(trial.c.id == trial_id)).scalar())
        if found is None:
            raise StoreError(f"there is no trial {trial_id} in {self.url}")
        return str(found)


@contextmanager
def opened(db: str | Path | Store, readonly: bool = False, make: bool = True) -> Iterator[Store]:
    """The store of an address or a path, closed after the block; one that is open already is left open.

    Raises StoreError as ``Store.open`` does: unless ``make``, for a database that is not there.
    """
    if isinstance(db, Store):
        yield db
    else:
        with Store.open(db, readonly=readonly, make=make) as store:
            yield store
