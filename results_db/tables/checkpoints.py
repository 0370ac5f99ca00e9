"""The newest state of each trial in training: replaced in place, fenced like results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select

from results_db.connection import clock
from results_db.records import Position, Recorded
from results_db.schema import attempt, checkpoint, trial
from results_db.states import State
from results_db.tables.leases import chunks
from results_db.tables.outcomes import lock_trials
from results_db.tables.trials import of_sweep
from search_space.facts import Checkpoint


def refusal(attempt: int, state: State, newest: int, outcome: str | None) -> str | None:
    """Why a checkpoint of ``attempt`` is fenced, or None when it is kept (pure).

    ``state`` and ``newest`` are the trial's; ``outcome`` says how that attempt ended so far. A checkpoint of the
    newest attempt still counts after its lease ran out or was given back: no other attempt has started.
    """
    if attempt > newest:
        return f"attempt {attempt} was never given out (the newest is {newest})"
    if attempt < newest:
        return f"late: attempt {attempt} was taken over by attempt {newest}"
    if outcome in ("done", "failed") or state is State.DONE:
        return f"late: attempt {attempt} already brought its result"
    return None


def save(connection: Connection, given: Iterable[Checkpoint]) -> Recorded:
    """Put each checkpoint in the place of its trial's last; see ``Store.save_checkpoints``."""
    newest = {item.trial: item for item in given}
    if connection.dialect.name == "postgresql":
        # A state that goes with a crash of the server is only the steps since the one before: no wait for the disk.
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
    stored = lock_trials(connection, list(newest))
    reasons: dict[int, str] = {}
    for number, item in newest.items():
        if number not in stored:
            reasons[number] = f"there is no trial {number}"
            continue
        state, last_attempt, ended = stored[number]
        why = refusal(item.attempt, state, last_attempt, ended.get(item.attempt))
        if why is not None:
            reasons[number] = why
    kept = [item for number, item in newest.items() if number not in reasons]
    if kept:
        at = clock.now(connection)
        connection.execute(
            _upsert(connection),
            [
                {
                    "trial_id": item.trial,
                    "attempt": item.attempt,
                    "step": item.step,
                    "saved_at": at,
                    "size": len(item.data),
                    "data": item.data,
                }
                for item in kept
            ],
        )
    return Recorded(tuple(item.trial for item in kept), tuple(reasons), reasons)


def _upsert(connection: Connection) -> Any:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    statement = insert(checkpoint)
    fresh = {name: statement.excluded[name] for name in ("attempt", "step", "saved_at", "size", "data")}
    return statement.on_conflict_do_update(index_elements=["trial_id"], set_=fresh)


def read(connection: Connection, trials: Sequence[int]) -> dict[int, Checkpoint]:
    """The checkpoints of those trials that have one."""
    columns = (checkpoint.c.trial_id, checkpoint.c.attempt, checkpoint.c.step, checkpoint.c.data)
    out: dict[int, Checkpoint] = {}
    for some in chunks(trials):
        for row in connection.execute(select(*columns).where(checkpoint.c.trial_id.in_(some))):
            out[row.trial_id] = Checkpoint(row.trial_id, row.attempt, row.step, bytes(row.data))
    return out


def steps(connection: Connection, trials: Sequence[int]) -> dict[int, int]:
    """How far the checkpoints of those trials are that have one, without reading them."""
    out: dict[int, int] = {}
    for some in chunks(trials):
        query = select(checkpoint.c.trial_id, checkpoint.c.step).where(checkpoint.c.trial_id.in_(some))
        out.update({row.trial_id: row.step for row in connection.execute(query)})
    return out


def positions(connection: Connection, sweep_number: int | None) -> list[Position]:
    """How far each pending or running trial of a sweep (None: of all) is that has a checkpoint, with the attempt that
    stored it."""
    query = (
        select(
            trial.c.id,
            trial.c.config,
            trial.c.state,
            trial.c.attempt.label("newest"),
            checkpoint.c.attempt,
            checkpoint.c.step,
            checkpoint.c.saved_at,
            attempt.c.started_at,
            attempt.c.detail,
        )
        .join(checkpoint, checkpoint.c.trial_id == trial.c.id)
        .join(attempt, (attempt.c.trial_id == trial.c.id) & (attempt.c.number == checkpoint.c.attempt))
        .where(trial.c.state.in_([State.PENDING, State.RUNNING]))
        .order_by(trial.c.id)
    )
    return [
        Position(
            row.id,
            row.config,
            row.step,
            row.saved_at,
            State(row.state) is State.RUNNING and row.attempt == row.newest,
            row.started_at,
            int(json.loads(row.detail).get("from_step", 0)),
        )
        for row in connection.execute(of_sweep(query, sweep_number))
    ]
