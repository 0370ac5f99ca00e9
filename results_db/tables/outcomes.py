"""Writing outcomes: each once, late ones fenced."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from results_db.connection import clock
from results_db.connection.urls import storable
from results_db.records import CUDA, Recorded
from results_db.schema import artifact, attempt, checkpoint, event, quality, quality_image, trial
from results_db.states import State, TrialEvent, can, next_state
from results_db.tables.leases import chunks
from results_db.tables.speeds import measure_ids
from results_db.tables.trials import insert_new
from search_space.facts import Done, Outcome, Provenance, Quality

_RESULT = ("done", "failed")


def verdict(outcome: Outcome, state: State, newest: int, ended: str | None) -> str | None:
    """Why an outcome is fenced, or None when it counts (pure).

    ``state`` and ``newest`` are the trial's, ``ended`` is how the outcome's own attempt ended so far.
    """
    if outcome.attempt > newest:
        return f"attempt {outcome.attempt} was never given out (the newest is {newest})"
    if ended in _RESULT:
        return f"attempt {outcome.attempt} already brought its result"
    if outcome.attempt < newest:
        return f"late: attempt {outcome.attempt} was taken over by attempt {newest}"
    if not can(state, TrialEvent.COMPLETE if isinstance(outcome, Done) else TrialEvent.FAIL):
        return f"late: the trial is {state}"
    return None


def record(connection: Connection, outcomes: Iterable[Outcome]) -> Recorded:
    """Write outcomes in one transaction; see ``Store.record``."""
    given = list(outcomes)
    stored = lock_trials(connection, [one.trial for one in given])
    accepted: dict[int, Outcome] = {}
    fenced: list[tuple[Outcome, str]] = []
    repeated: list[int] = []
    for one in given:
        if one.trial not in stored:
            fenced.append((one, f"there is no trial {one.trial}"))
            continue
        state, newest, ended = stored[one.trial]
        reason = verdict(one, state, newest, ended.get(one.attempt))
        if reason is None and one.trial in accepted:
            reason = f"attempt {one.attempt} already brought its result"
        elif one.attempt == newest and ended.get(one.attempt) == ("done" if isinstance(one, Done) else "failed"):
            repeated.append(one.trial)
        if reason is None:
            accepted[one.trial] = one
        else:
            fenced.append((one, reason))
    at = clock.now(connection)
    _end_attempts(connection, list(accepted.values()), at)
    done = [one for one in accepted.values() if isinstance(one, Done)]
    _write_facts(connection, done)
    over = [one.trial for one in accepted.values() if isinstance(one, Done) or not one.failure.spares_checkpoint]
    for some in chunks(over):
        connection.execute(delete(checkpoint).where(checkpoint.c.trial_id.in_(some)))
    known = [(one, why) for one, why in fenced if one.trial in stored]
    if known:
        connection.execute(
            event.insert(),
            [{"at": at, "trial_id": one.trial, "kind": "fenced", "detail": why} for one, why in known],
        )
    reasons = {one.trial: why for one, why in fenced}
    return Recorded(tuple(accepted), tuple(one.trial for one, _ in fenced), reasons, tuple(repeated))


def lock_trials(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[State, int, dict[int, str | None]]]:
    """State, newest attempt number and outcome of each attempt of trials, whose rows are locked."""
    trials: dict[int, tuple[State, int, dict[int, str | None]]] = {}
    for some in chunks(sorted(set(ids))):
        query = select(trial.c.id, trial.c.state, trial.c.attempt).where(trial.c.id.in_(some))
        for number, state, newest in connection.execute(query.order_by(trial.c.id).with_for_update()):
            trials[number] = (State(state), newest, {})
        ends = select(attempt.c.trial_id, attempt.c.number, attempt.c.outcome).where(attempt.c.trial_id.in_(some))
        for number, count, outcome in connection.execute(ends):
            trials[number][2][count] = outcome
    return trials


def _end_attempts(connection: Connection, outcomes: Sequence[Outcome], at: float) -> None:
    if not outcomes:
        return
    done_state = str(next_state(State.RUNNING, TrialEvent.COMPLETE))
    failed_state = str(next_state(State.RUNNING, TrialEvent.FAIL))
    trials: list[dict[str, Any]] = []
    attempts: list[dict[str, Any]] = []
    for one in outcomes:
        row: dict[str, Any] = {
            "t": one.trial,
            "n": one.attempt,
            "ended_at": at,
            "node": storable(one.node),
            "seconds": one.seconds,
        }
        if isinstance(one, Done):
            trials.append(
                {
                    "t": one.trial,
                    "state": done_state,
                    "failure": None,
                    "seconds": one.seconds,
                    "steps": one.steps,
                    "node": storable(one.node),
                    "flags": json.dumps(list(one.flags)),
                    "finished_at": at,
                    **_provenance(one.provenance),
                }
            )
            curve = json.dumps([list(point) for point in one.curve]) if one.curve else None
            row |= {
                "outcome": "done",
                "failure": None,
                "error": None,
                "traceback": None,
                "steps": one.steps,
                "curve": curve,
            }
        else:
            trials.append(
                {
                    "t": one.trial,
                    "state": failed_state,
                    "failure": str(one.failure),
                    "seconds": None,
                    "steps": None,
                    "node": storable(one.node),
                    "flags": None,
                    "finished_at": at,
                    **_provenance(None),
                }
            )
            row |= {
                "outcome": "failed",
                "failure": str(one.failure),
                "error": storable(one.error),
                "traceback": storable(one.traceback),
                "steps": None,
                "curve": None,
            }
        attempts.append(row)
    connection.execute(
        update(trial)
        .where(trial.c.id == bindparam("t"))
        .values(owner=None, lease_from=None, lease_until=None, **_binds(trials[0], "t")),
        trials,
    )
    connection.execute(
        update(attempt)
        .where(attempt.c.trial_id == bindparam("t"), attempt.c.number == bindparam("n"))
        .values(**_binds(attempts[0], "t", "n")),
        attempts,
    )
    _note_cuda(connection, outcomes)


def _note_cuda(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """What a GPU's software was goes into the detail of the attempt, beside what it was started with."""
    known = {
        (one.trial, one.attempt): asdict(one.provenance.cuda)
        for one in outcomes
        if isinstance(one, Done) and one.provenance and one.provenance.cuda
    }
    changed: list[dict[str, Any]] = []
    for part in chunks([number for number, _ in known]):
        stored = select(attempt.c.trial_id, attempt.c.number, attempt.c.detail).where(attempt.c.trial_id.in_(part))
        changed += [
            {"t": number, "n": count, "detail": json.dumps({**json.loads(detail), CUDA: known[number, count]})}
            for number, count, detail in connection.execute(stored)
            if (number, count) in known
        ]
    if changed:
        ended = (attempt.c.trial_id == bindparam("t"), attempt.c.number == bindparam("n"))
        connection.execute(update(attempt).where(*ended).values(detail=bindparam("detail")), changed)


def _provenance(known: Provenance | None) -> dict[str, Any]:
    """The columns of a trial that say what trained it; empty where that is not known."""
    return {
        "engines": json.dumps(list(known.engines)) if known else None,
        "trained_on": storable(known.device) if known else None,
        "training_precision": known.precision if known else None,
        "torch": known.torch if known else None,
    }


def _binds(row: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {name: bindparam(name) for name in row if name not in keys}


def _write_facts(connection: Connection, done: Sequence[Done]) -> None:
    write_quality(connection, [(one.trial, one.quality) for one in done])
    insert_new(
        connection,
        artifact,
        [
            {"trial_id": one.trial, "kind": a.kind, "sha256": a.sha256, "size": len(a.data), "data": a.data}
            for one in done
            for a in one.artifacts
        ],
    )


def write_quality(connection: Connection, facts: Sequence[tuple[int, Sequence[Quality]]]) -> None:
    """Write quality of trials; a value that is stored already stays as it is."""
    ids = measure_ids(connection, [measurement for _, measurements in facts for measurement in measurements])
    rows: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for number, measurements in facts:
        for measurement in measurements:
            named = ids[measurement.dataset, measurement.metric, measurement.protocol]
            value = None if math.isnan(measurement.value) else measurement.value
            rows.append({"trial_id": number, "measure_id": named, "value": value})
            if measurement.per_image:
                listed = json.dumps([list(pair) for pair in measurement.per_image])
                images.append({"trial_id": number, "measure_id": named, "per_image": listed})
    insert_new(connection, quality, rows)
    insert_new(connection, quality_image, images)
