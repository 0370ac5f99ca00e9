"""Facts that belong to no single attempt: speeds of architectures, and the table of measures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from results_db.connection import clock
from results_db.records import Added, Source
from results_db.schema import measure, quality, speed, trial
from results_db.states import State
from results_db.tables.trials import insert_new, of_sweep
from search_space.facts import Quality, Speed

SPEED_KEY = ("config", "device", "backend", "precision", "protocol", "source")
SPEED_VALUES = (
    "fps",
    "seconds_median",
    "seconds_iqr",
    "seconds_min",
    "runs",
    "power_w",
    "energy_j",
    "memory_mib",
    "temperature_c",
    "cpu_percent",
)


def measure_ids(connection: Connection, qualities: Iterable[Quality]) -> dict[tuple[str, str, str], int]:
    """The id of each measure, (dataset, metric, protocol), inserted where it is new."""
    units = {(one.dataset, one.metric, one.protocol): one.unit for one in qualities}
    if not units:
        return {}
    ids = _measures(connection)
    new = [key for key in units if key not in ids]
    if new:
        rows = [{"dataset": d, "metric": m, "protocol": p, "unit": units[d, m, p]} for d, m, p in new]
        insert_new(connection, measure, rows)
        ids = _measures(connection)
    return ids


def _measures(connection: Connection) -> dict[tuple[str, str, str], int]:
    rows = connection.execute(select(measure.c.dataset, measure.c.metric, measure.c.protocol, measure.c.id))
    return {(dataset, metric, protocol): number for dataset, metric, protocol, number in rows}


def unmeasured(connection: Connection, sweep_number: int, dataset: str, metric: str, protocol: str) -> list[int]:
    """The ids of the finished trials of a sweep without this measure."""
    measure_id = _measures(connection).get((dataset, metric, protocol), -1)
    stored = select(quality.c.trial_id).where(quality.c.trial_id == trial.c.id, quality.c.measure_id == measure_id)
    query = of_sweep(select(trial.c.id), sweep_number).where(trial.c.state == str(State.DONE), ~stored.exists())
    return [int(number) for number in connection.execute(query.order_by(trial.c.id)).scalars()]


def add_speeds(connection: Connection, speeds: Sequence[Speed], source: Source) -> Added:
    """Keep speeds; a newer measurement of the same thing replaces the older."""
    at = clock.now(connection)
    rows = {tuple(row[name] for name in SPEED_KEY): row for row in (_speed_row(one, source, at) for one in speeds)}
    before: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    columns = [speed.c[name] for name in (*SPEED_KEY, *SPEED_VALUES)]
    for device in {one.device for one in speeds}:
        query = select(*columns).where(speed.c.device == device, speed.c.source == str(source))
        for row in connection.execute(query):
            before[tuple(row[: len(SPEED_KEY)])] = tuple(row[len(SPEED_KEY) :])
    same = sum(1 for key, row in rows.items() if before.get(key) == tuple(row[name] for name in SPEED_VALUES))
    new = sum(1 for key in rows if key not in before)
    if rows:
        make: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        statement = make(speed)
        changed = (*SPEED_VALUES, "detail", "measured_at")
        statement = statement.on_conflict_do_update(
            index_elements=list(SPEED_KEY), set_={name: statement.excluded[name] for name in changed}
        )
        connection.execute(statement, list(rows.values()))
    return Added(new, same, len(rows) - new - same)


def speeds(connection: Connection, source: Source, **key: str | None) -> list[Speed]:
    """Stored speeds as facts, in the order they were stored; ``key`` names values of key columns."""
    columns = [speed.c[name] for name in (*SPEED_KEY[:-1], *SPEED_VALUES, "detail")]
    query = select(*columns).where(speed.c.source == str(source)).order_by(speed.c.id)
    for name, value in key.items():
        if value is not None:
            query = query.where(speed.c[name] == value)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    return [Speed(**{**row, "detail": json.loads(row["detail"] or "{}")}) for row in rows]


def mark_speeds(
    connection: Connection, source: Source, mark: Callable[[Sequence[Speed]], Sequence[Speed]], **kind: str
) -> list[Speed]:
    """Call ``mark`` with all speeds of a kind and store the details it returns; numbers and times stay."""
    before = speeds(connection, source, **kind)
    after = list(mark(before))
    for old, new in zip(before, after, strict=True):
        if new.detail != old.detail:
            here = [speed.c[name] == getattr(new, name) for name in SPEED_KEY[:-1]]
            changed = update(speed).where(*here, speed.c.source == str(source))
            connection.execute(changed.values(detail=json.dumps(new.detail, default=str)))
    return after


def _speed_row(one: Speed, source: Source, at: float) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(one, name) for name in (*SPEED_KEY[:-1], *SPEED_VALUES)}
    return row | {"source": str(source), "detail": json.dumps(one.detail, default=str), "measured_at": at}
