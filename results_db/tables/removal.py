"""Statements that take a sweep out of a store, with all that no other sweep has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, and_, delete, func, select

from results_db.connection import clock
from results_db.records import Source
from results_db.schema import (
    artifact,
    checkpoint,
    event,
    measure,
    quality,
    quality_image,
    speed,
    sweep,
    sweep_trial,
    trial,
)
from results_db.states import State
from search_space.errors import StoreError


@dataclass(frozen=True)
class Removal:
    """What goes when a sweep is deleted."""

    sweep: str
    trials: int
    """Trials that only this sweep has, with their attempts, quality and files."""
    shared: int
    """Trials that stay, because another sweep has them too."""
    speeds: int
    """Imported speeds of models that no other sweep of the same source has; measured ones stay."""
    size: int
    """Bytes of weights and checkpoints."""


def look(connection: Connection, number: int) -> Removal:
    """What deleting the sweep would remove. Raises StoreError while a driver works on it."""
    row = connection.execute(select(sweep.c.name, sweep.c.source).where(sweep.c.id == number)).one()
    held = connection.execute(
        select(trial.c.owner).where(
            trial.c.id.in_(_alone(number)),
            trial.c.state == str(State.RUNNING),
            trial.c.lease_until > clock.now(connection),
        )
    ).scalars()
    owners = sorted({str(owner) for owner in held})
    if owners:
        raise StoreError(f"sweep {row.name} is being trained by {', '.join(owners)}: stop that first, or wait for it")
    mine = _count(connection, select(trial.c.id).where(trial.c.id.in_(_alone(number))))
    all_of_it = _count(connection, _of(number))
    size = _size(connection, artifact, number) + _size(connection, checkpoint, number)
    return Removal(row.name, mine, all_of_it - mine, _count(connection, _speeds(number, row.source)), size)


def remove(connection: Connection, number: int, note: str) -> Removal:
    """Delete the sweep; ``note`` is kept with the event. Raises StoreError while a driver works on it."""
    found = look(connection, number)
    source = connection.execute(select(sweep.c.source).where(sweep.c.id == number)).scalar_one()
    connection.execute(delete(speed).where(speed.c.id.in_(_speeds(number, source))))
    connection.execute(delete(trial).where(trial.c.id.in_(_alone(number))))
    connection.execute(delete(sweep).where(sweep.c.id == number))
    unused = [~select(t.c.trial_id).where(t.c.measure_id == measure.c.id).exists() for t in (quality, quality_image)]
    connection.execute(delete(measure).where(and_(*unused)))
    detail = f"sweep {found.sweep}, {found.trials} trials; {note}"
    row = {"at": clock.now(connection), "trial_id": None, "kind": "deleted", "detail": detail}
    connection.execute(event.insert(), [row])
    return found


def _count(connection: Connection, query: Select[Any]) -> int:
    return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())


def _size(connection: Connection, table: Table, number: int) -> int:
    query = select(func.coalesce(func.sum(table.c.size), 0)).where(table.c.trial_id.in_(_alone(number)))
    return int(connection.execute(query).scalar_one())


def _of(number: int) -> Select[Any]:
    return select(sweep_trial.c.trial_id).where(sweep_trial.c.sweep_id == number)


def _alone(number: int) -> Select[Any]:
    """Ids of the trials that no other sweep has."""
    others = select(sweep_trial.c.trial_id).where(sweep_trial.c.sweep_id != number)
    return _of(number).where(sweep_trial.c.trial_id.not_in(others))


def _speeds(number: int, source: str) -> Select[Any]:
    """Ids of the speeds that came with an imported sweep; what was measured here belongs to no sweep."""
    mine = select(trial.c.config).where(trial.c.id.in_(_alone(number)))
    kept = select(trial.c.config).where(trial.c.source == source, trial.c.id.not_in(_alone(number)))
    imported = speed.c.source == source if source != str(Source.OURS) else speed.c.id < 0
    return select(speed.c.id).where(imported, speed.c.config.in_(mine), speed.c.config.not_in(kept))
