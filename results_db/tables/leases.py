"""Atomic claims, leases and attempts. Several drivers may share one sweep."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select, update

from results_db.connection import clock
from results_db.records import Claim
from results_db.schema import attempt, event, trial
from results_db.states import State, TrialEvent, next_state, sources
from results_db.tables.trials import CHUNK, KEY
from search_space.facts import Failure, TrialKey


def chunks(numbers: Iterable[int]) -> Iterator[list[int]]:
    """``numbers`` in lists short enough for one statement."""
    listed = list(numbers)
    for start in range(0, len(listed), CHUNK):
        yield listed[start : start + CHUNK]


def by_number(attempts: Iterable[tuple[int, int]]) -> Iterator[tuple[int, list[int]]]:
    """Attempts (trial, number) as a number with the trials that have it, few enough for one statement."""
    trials: dict[int, list[int]] = defaultdict(list)
    for trial_id, number in attempts:
        trials[number].append(trial_id)
    for number, ids in sorted(trials.items()):
        for some in chunks(ids):
            yield number, some


def in_states(states: Sequence[State]) -> ColumnElement[bool]:
    """Whether a trial is in one of ``states``."""
    return trial.c.state.in_([str(state) for state in states])


def claim(
    connection: Connection,
    trial_ids: Sequence[int],
    owner: str,
    lease_s: float,
    token: str,
    detail: Mapping[int, Mapping[str, Any]],
) -> list[Claim]:
    """Claim those of ``trial_ids`` that are free, in the order given.

    ``token`` marks this very call: when it is repeated because the connection dropped while it
    committed, it finds what it had claimed.
    """
    before = _claimed_with(connection, token)
    if before:
        return _in_order(before, trial_ids)
    at = clock.now(connection)
    taken: list[Claim] = []
    for some in chunks(trial_ids):
        # Only of these: looking at every running trial of the store for each pack would take longer the more run.
        _expire(connection, trial.c.id.in_(some))
        free = select(trial.c.id).where(trial.c.id.in_(some), in_states(sources(TrialEvent.CLAIM)))
        # PostgreSQL: rows another driver is taking right now are left to it. SQLite has one writer at a time.
        free = free.order_by(trial.c.id).with_for_update(skip_locked=True)
        ids = list(connection.execute(free).scalars())
        if not ids:
            continue
        change = (
            update(trial)
            .where(trial.c.id.in_(ids))
            .values(
                state=str(next_state(State.PENDING, TrialEvent.CLAIM)),
                attempt=trial.c.attempt + 1,
                owner=owner,
                lease_from=at,
                lease_until=at + lease_s,
            )
            .returning(trial.c.id, trial.c.attempt, *KEY)
        )
        taken += [Claim(row[0], row[1], TrialKey(*row[2:])) for row in connection.execute(change)]
    if taken:
        connection.execute(
            attempt.insert(),
            [
                {
                    "trial_id": one.trial,
                    "number": one.attempt,
                    "owner": owner,
                    "token": token,
                    "started_at": at,
                    "detail": json.dumps(dict(detail.get(one.trial, {}))),
                }
                for one in taken
            ],
        )
    return _in_order(taken, trial_ids)


def new_token() -> str:
    """A token that identifies one call of ``claim``."""
    return uuid.uuid4().hex


def _claimed_with(connection: Connection, token: str) -> list[Claim]:
    query = (
        select(trial.c.id, attempt.c.number, *KEY)
        .join(attempt, attempt.c.trial_id == trial.c.id)
        .where(attempt.c.token == token)
    )
    return [Claim(row[0], row[1], TrialKey(*row[2:])) for row in connection.execute(query)]


def _in_order(claims: Sequence[Claim], trial_ids: Sequence[int]) -> list[Claim]:
    place = {number: i for i, number in enumerate(trial_ids)}
    return sorted(claims, key=lambda one: place.get(one.trial, len(place)))


def extend(connection: Connection, claims: Sequence[Claim], owner: str, lease_s: float) -> list[Claim]:
    """Renew the leases of ``claims``; returns those that are still held (the others were lost)."""
    at = clock.now(connection)
    attempts = {one.trial: one.attempt for one in claims}
    held: set[int] = set()
    for some in chunks(attempts):
        query = select(trial.c.id, trial.c.attempt).where(
            trial.c.id.in_(some), trial.c.state == str(State.RUNNING), trial.c.owner == owner
        )
        rows = connection.execute(query.order_by(trial.c.id).with_for_update()).all()
        still = [row[0] for row in rows if attempts[row[0]] == row[1]]
        if still:
            connection.execute(
                update(trial).where(trial.c.id.in_(still)).values(lease_from=at, lease_until=at + lease_s)
            )
        held.update(still)
    return [one for one in claims if one.trial in held]


def release(connection: Connection, claims: Sequence[Claim], owner: str, reason: str) -> int:
    """Give ``claims`` back unfinished; their trials are pending again. Returns how many were still held."""
    attempts = {one.trial: one.attempt for one in claims}
    given = 0
    for some in chunks(attempts):
        query = select(trial.c.id, trial.c.attempt).where(
            trial.c.id.in_(some), in_states(sources(TrialEvent.RELEASE)), trial.c.owner == owner
        )
        rows = connection.execute(query.order_by(trial.c.id).with_for_update()).all()
        held = {row[0]: row[1] for row in rows if attempts[row[0]] == row[1]}
        _end(connection, held, TrialEvent.RELEASE, "released", None, reason)
        given += len(held)
    return given


def expire(connection: Connection) -> list[int]:
    """Make the trials pending whose lease has run out (their driver is believed dead); returns their ids."""
    return _expire(connection)


def _expire(connection: Connection, *among: ColumnElement[bool]) -> list[int]:
    at = clock.now(connection)
    query = (
        select(trial.c.id, trial.c.attempt, trial.c.lease_from, trial.c.lease_until)
        .where(
            trial.c.state == str(State.RUNNING),
            or_(trial.c.lease_until <= at, trial.c.lease_from > at + clock.SLACK_S),
            *among,
        )
        .order_by(trial.c.id)
        .with_for_update(skip_locked=True)
    )
    over: dict[int, int] = {}
    for number, count, given, until in connection.execute(query).all():
        verdict = clock.judge(until if given is None else given, until, at)
        if verdict is clock.Lease.EXPIRED:
            over[number] = count
        elif verdict is clock.Lease.REBASE:
            length = until - given
            connection.execute(update(trial).where(trial.c.id == number).values(lease_from=at, lease_until=at + length))
    _end(
        connection,
        over,
        TrialEvent.EXPIRE,
        "expired",
        Failure.WORKER_LOST,
        "the lease ran out: its driver is believed dead",
    )
    return sorted(over)


def _end(
    connection: Connection,
    attempts: Mapping[int, int],
    what: TrialEvent,
    outcome: str,
    failure: Failure | None,
    reason: str,
) -> None:
    """Close running attempts, one per trial, without a result."""
    if not attempts:
        return
    at = clock.now(connection)
    state = str(next_state(State.RUNNING, what))
    values: dict[str, Any] = {"state": state, "owner": None, "lease_from": None, "lease_until": None}
    if failure is not None:
        values["failure"] = str(failure)
    ended = {"ended_at": at, "outcome": outcome, "failure": failure and str(failure), "error": reason}
    for some in chunks(attempts):
        connection.execute(update(trial).where(trial.c.id.in_(some)).values(**values))
    for count, some in by_number(attempts.items()):
        connection.execute(
            update(attempt).where(attempt.c.number == count, attempt.c.trial_id.in_(some)).values(**ended)
        )
    connection.execute(
        event.insert(),
        [
            {"at": at, "trial_id": number, "kind": outcome, "detail": f"attempt {count}: {reason}"}
            for number, count in attempts.items()
        ],
    )
