"""All that is stored of one trial, and the training curves of many."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from results_db.records import Source, utc
from results_db.schema import attempt, measure, quality, trial
from results_db.states import State
from results_db.tables.leases import chunks
from search_space.errors import StoreError
from search_space.facts import Artifact, Quality, Speed

if TYPE_CHECKING:
    import datetime as dt

    from results_db.store import Store

Curve = tuple[tuple[int, float], ...]
"""(step, training loss) points in the order of the steps."""


@dataclass(frozen=True)
class TrialFacts:
    """One trial as it is stored now; values of a training are None until it is done."""

    trial: int
    config: str
    seed: int
    state: State
    attempts: int
    node: str | None
    seconds: float | None
    """Training time; a member of a pack carries its share."""
    steps: int | None
    engines: tuple[str, ...]
    """What trained it, as ``search_space.facts.Provenance`` has it."""
    trained_on: str | None
    flags: tuple[str, ...]
    started: dt.datetime | None
    ended: dt.datetime | None
    failure: str | None
    error: str | None
    """Of the newest attempt, one line."""
    curve: Curve
    qualities: tuple[Quality, ...]
    speeds: tuple[Speed, ...]
    """Of its architecture, on every device."""
    weights: Artifact | None


def trial_facts(store: Store, number: int) -> TrialFacts:
    """What is stored of trial ``number``. Raises StoreError when there is no such trial."""
    row, last, qualities = store.database.read(lambda c: _rows(c, number))
    if row is None:
        raise StoreError(f"there is no trial {number} in {store.url}")
    measured = tuple(Quality(row.config, *found) for found in qualities)
    return TrialFacts(
        trial=number,
        config=row.config,
        seed=row.seed,
        state=State(row.state),
        attempts=row.attempt,
        node=row.node,
        seconds=row.seconds,
        steps=row.steps,
        engines=tuple(json.loads(row.engines)) if row.engines else (),
        trained_on=row.trained_on,
        flags=tuple(json.loads(row.flags)) if row.flags else (),
        started=utc(last.started_at) if last else None,
        ended=utc(last.ended_at) if last and last.ended_at else None,
        failure=last.failure if last else None,
        error=last.error if last else None,
        curve=read_curve(last.curve) if last else (),
        qualities=measured,
        speeds=tuple(store.speeds(row.config, source=Source(row.source))),
        weights=store.artifact(number) if row.state == str(State.DONE) else None,
    )


def curves(store: Store, trials: Sequence[int]) -> dict[int, Curve]:
    """The training curve of each of these trials that has one, by trial id."""
    return store.database.read(lambda c: _curves(c, trials))


def _rows(connection: Connection, number: int) -> tuple[Any, Any, Sequence[Any]]:
    row = connection.execute(select(trial).where(trial.c.id == number)).one_or_none()
    newest = select(attempt).where(attempt.c.trial_id == number).order_by(attempt.c.number.desc()).limit(1)
    values = (
        select(measure.c.dataset, measure.c.metric, quality.c.value, measure.c.unit, measure.c.protocol)
        .join(quality, quality.c.measure_id == measure.c.id)
        .where(quality.c.trial_id == number, quality.c.value.is_not(None))
        .order_by(measure.c.id)
    )
    return row, connection.execute(newest).one_or_none(), connection.execute(values).all()


def _curves(connection: Connection, trials: Sequence[int]) -> dict[int, Curve]:
    out: dict[int, Curve] = {}
    for some in chunks(trials):
        query = select(attempt.c.trial_id, attempt.c.curve).where(
            attempt.c.trial_id.in_(some), attempt.c.curve.is_not(None)
        )
        # A later attempt that is done takes the place of an earlier one.
        for number, curve in connection.execute(query.order_by(attempt.c.trial_id, attempt.c.number)):
            out[number] = read_curve(curve)
    return out


def read_curve(text: str | None) -> Curve:
    """A curve as it is stored; empty where none is."""
    return tuple((int(step), float(loss)) for step, loss in json.loads(text or "[]"))
