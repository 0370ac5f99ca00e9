"""Attempts, newest failures and events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, select, update

from results_db.connection import clock
from results_db.records import CUDA, AttemptRow, EventRow, cuda_state, utc
from results_db.schema import attempt, event, trial
from results_db.states import State, TrialEvent, next_state, sources
from results_db.tables.leases import by_number, chunks, in_states
from results_db.tables.trials import of_sweep
from search_space.facts import Failure, Provenance

ENERGY = "energy"
"""Kind of the events that say how much energy a run of a sweep took."""
_ATTEMPT = (
    attempt.c.trial_id,
    attempt.c.number,
    trial.c.config,
    attempt.c.owner,
    attempt.c.node,
    attempt.c.started_at,
    attempt.c.ended_at,
    attempt.c.outcome,
    attempt.c.failure,
    attempt.c.error,
    attempt.c.traceback,
    attempt.c.seconds,
    attempt.c.steps,
    attempt.c.detail,
    trial.c.engines,
    trial.c.trained_on,
    trial.c.training_precision,
    trial.c.torch,
)


def _attempt(row: Sequence[Any]) -> AttemptRow:
    number, count, config, owner, node, start, end, outcome, failure, error, trace, seconds, steps, detail = row[:14]
    engines, device, precision, torch = row[14:]
    known = json.loads(detail)
    cuda = cuda_state(known.pop(CUDA, None))
    # A trial's columns are its result's: only the attempt that is done brought them.
    is_known = engines and outcome == "done"
    provenance = Provenance(tuple(json.loads(engines)), device, precision, torch, cuda) if is_known else None
    return AttemptRow(
        number,
        count,
        config,
        owner,
        node,
        utc(start),
        utc(end) if end is not None else None,
        outcome,
        Failure(failure) if failure else None,
        error,
        trace,
        seconds,
        steps,
        known,
        provenance,
    )


def attempts(connection: Connection, of: int | str | None, sweep_number: int | None) -> list[AttemptRow]:
    """Attempts at a trial (by id), a config (by name) or all, oldest first."""
    query = select(*_ATTEMPT).join(trial, trial.c.id == attempt.c.trial_id)
    if isinstance(of, int):
        query = query.where(attempt.c.trial_id == of)
    elif of is not None:
        query = query.where(trial.c.config == of)
    query = of_sweep(query, sweep_number)
    query = query.order_by(attempt.c.trial_id, attempt.c.number)
    return [_attempt(tuple(row)) for row in connection.execute(query)]


def failed_attempts(connection: Connection, trial_ids: Sequence[int]) -> dict[int, list[AttemptRow]]:
    """Attempts of these trials that brought a failure, by trial, oldest first."""
    by_trial: dict[int, list[AttemptRow]] = {}
    for some in chunks(trial_ids):
        query = select(*_ATTEMPT).join(trial, trial.c.id == attempt.c.trial_id)
        query = query.where(attempt.c.trial_id.in_(some), attempt.c.outcome == "failed")
        for row in connection.execute(query.order_by(attempt.c.trial_id, attempt.c.number)):
            failed = _attempt(tuple(row))
            by_trial.setdefault(failed.trial, []).append(failed)
    return by_trial


def failures(connection: Connection, sweep_number: int | None) -> list[AttemptRow]:
    """The newest attempt of each trial that is failed."""
    return _newest(connection, State.FAILED, sweep_number)


def running(connection: Connection, sweep_number: int | None) -> list[AttemptRow]:
    """The attempts that run."""
    return _newest(connection, State.RUNNING, sweep_number)


def _newest(connection: Connection, state: State, sweep_number: int | None) -> list[AttemptRow]:
    """The newest attempt of each trial in a state."""
    query = (
        select(*_ATTEMPT)
        .join(trial, and_(trial.c.id == attempt.c.trial_id, trial.c.attempt == attempt.c.number))
        .where(trial.c.state == str(state))
    )
    query = of_sweep(query, sweep_number)
    return [_attempt(tuple(row)) for row in connection.execute(query.order_by(attempt.c.trial_id))]


def events(connection: Connection, trial_id: int | None, limit: int) -> list[EventRow]:
    """The newest ``limit`` events of a trial (None: of all), oldest first."""
    query = select(event.c.at, event.c.trial_id, event.c.kind, event.c.detail).order_by(event.c.id.desc()).limit(limit)
    if trial_id is not None:
        query = query.where(event.c.trial_id == trial_id)
    rows = connection.execute(query).all()
    return [EventRow(utc(at), number, kind, detail) for at, number, kind, detail in reversed(rows)]


def add_energy(connection: Connection, sweep_number: int, joules: float) -> None:
    """Keep the energy of one run of a sweep."""
    row = {"at": clock.now(connection), "kind": ENERGY, "detail": json.dumps({"sweep": sweep_number, "joules": joules})}
    connection.execute(event.insert(), [row])


def retry(
    connection: Connection, trial_ids: Sequence[int] | None, failure: Failure | None, sweep_number: int | None
) -> list[int]:
    """Make failed trials pending again; returns their ids."""
    state = str(next_state(State.FAILED, TrialEvent.RETRY))
    states = [source for source in sources(TrialEvent.RETRY) if source is State.FAILED]
    query = select(trial.c.id).where(in_states(states))
    if failure is not None:
        query = query.where(trial.c.failure == str(failure))
    query = of_sweep(query, sweep_number)
    query = query.order_by(trial.c.id).with_for_update(of=trial)
    if trial_ids is None:
        ids = list(connection.execute(query).scalars())
    else:
        ids = [n for some in chunks(trial_ids) for n in connection.execute(query.where(trial.c.id.in_(some))).scalars()]
    at = clock.now(connection)
    for some in chunks(ids):
        connection.execute(update(trial).where(trial.c.id.in_(some)).values(state=state, finished_at=None))
    if ids:
        rows = [
            {"at": at, "trial_id": number, "kind": "retry", "detail": "asked for another attempt"} for number in ids
        ]
        connection.execute(event.insert(), rows)
    return ids


def excuse(connection: Connection, attempts: Sequence[tuple[int, int]], reason: str) -> list[int]:
    """Have failed attempts (trial, number) not count; returns the trials that are pending again."""
    numbers: dict[int, set[int]] = {}
    for number, count in attempts:
        numbers.setdefault(number, set()).add(count)
    at = clock.now(connection)
    state = str(next_state(State.FAILED, TrialEvent.RETRY))
    again: list[int] = []
    for some in chunks(sorted(numbers)):
        locked = select(trial.c.id, trial.c.state, trial.c.attempt).where(trial.c.id.in_(some)).order_by(trial.c.id)
        rows = connection.execute(locked.with_for_update()).all()
        pending = [n for n, now, newest in rows if now == str(State.FAILED) and newest in numbers[n]]
        failed = select(attempt.c.trial_id, attempt.c.number).where(
            attempt.c.trial_id.in_(some), attempt.c.outcome == "failed"
        )
        found = [(n, count) for n, count in connection.execute(failed).all() if count in numbers[n]]
        for count, ids in by_number(found):
            excused = update(attempt).where(attempt.c.number == count, attempt.c.trial_id.in_(ids))
            connection.execute(excused.values(outcome="excused"))
        if found:
            details = [
                {"at": at, "trial_id": n, "kind": "excused", "detail": f"attempt {count}: {reason}"}
                for n, count in found
            ]
            connection.execute(event.insert(), details)
        if pending:
            connection.execute(update(trial).where(trial.c.id.in_(pending)).values(state=state, finished_at=None))
        again += pending
    return again
