"""Sums over very many trials, made by the database: means over seeds, and the configs that are planned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Double, and_, exists, func, not_, or_, select

from results_db.reading.frames import (
    MOST_JOINS,
    fetch,
    kinds_of_quality,
    narrowing,
    results,
    with_speeds,
)
from results_db.schema import quality, sweep, sweep_trial, trial
from results_db.states import State
from results_db.tables.trials import CHUNK

if TYPE_CHECKING:
    import pandas as pd

    from results_db.store import Store

LAST = ("seconds", "steps", "parameters", "finished_at")
"""Columns that are those of the newest trial in a mean."""


def means(
    store: Store,
    sweep: int | str | None = None,
    backend: str | None = None,
    precision: str | None = None,
    metrics: Sequence[str] | None = None,
) -> pd.DataFrame:
    """``frames.results`` with one row per config, source, quality protocol and speed: quality is the mean over seeds.

    ``repeats`` is the number of trials in the mean; ``trial``, ``seconds``, ``steps``, ``parameters`` and
    ``finished_at`` are the newest one's; what differs between seeds (``seed``, ``node``, ...) is left out. 100,000
    trials of 1,000 configs are averaged four times as fast as they are read.
    """
    speeds = {"backend": backend, "precision": precision}
    table = store.database.read(lambda c: _means(c, sweep, speeds, metrics))
    return results(store, sweep, backend=backend, precision=precision, metrics=metrics) if table is None else table


def _means(
    connection: Connection,
    wanted: int | str | None,
    speeds: dict[str, str | None],
    metrics: Sequence[str] | None,
) -> pd.DataFrame | None:
    """None where there are more quality columns than the database joins at once."""
    import pandas as pd

    numbers = narrowing(connection, wanted)
    kinds = kinds_of_quality(connection, None, metrics)
    if any(len(columns) > MOST_JOINS for columns in kinds.values()):
        return None
    parts = [
        fetch(connection, _with_values(columns, numbers)).assign(protocol=protocol)
        for protocol, columns in kinds.items()
    ]
    if len(parts) != 1 or int(parts[0]["repeats"].sum()) < _finished(connection, numbers):
        bare = [named for columns in kinds.values() for named in columns.values()]
        parts.append(fetch(connection, _without_values(bare, numbers)).assign(protocol=None))
    parts = [part for part in parts if len(part)] or parts[:1]
    table = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    table["protocol"] = table["protocol"].astype("str")
    table = table.sort_values("trial", kind="stable", ignore_index=True)
    table = table.merge(_newest(connection, table["trial"].unique().tolist()), on="trial", how="left")
    return with_speeds(connection, table, speeds, orphans=wanted is None)


def _done(query: Any, numbers: Sequence[int] | None) -> Any:
    query = query.where(trial.c.state == str(State.DONE))
    if numbers is not None:
        shown = select(sweep_trial.c.trial_id).where(sweep_trial.c.sweep_id.in_(numbers))
        query = query.where(trial.c.id.in_(shown))
    return query


def _groups(query: Any, numbers: Sequence[int] | None) -> Any:
    return _done(query, numbers).group_by(trial.c.config, trial.c.source)


def _summary() -> Any:
    return select(
        trial.c.config, trial.c.source, func.max(trial.c.id).label("trial"), func.count(trial.c.id).label("repeats")
    )


def _with_values(columns: dict[str, int], numbers: Sequence[int] | None) -> Any:
    """Trials with at least one of the values, and the means of those."""
    query, there = _summary(), []
    for name, named in columns.items():
        value = quality.alias()
        query = query.add_columns(func.avg(value.c.value, type_=Double).label(name))
        query = query.outerjoin_from(trial, value, and_(value.c.trial_id == trial.c.id, value.c.measure_id == named))
        there.append(value.c.value.is_not(None))
    return _groups(query.where(or_(*there)), numbers)


def _without_values(measures: Sequence[int], numbers: Sequence[int] | None) -> Any:
    """Trials with none of the values."""
    measurement = exists().where(
        quality.c.trial_id == trial.c.id, quality.c.measure_id.in_(measures), quality.c.value.is_not(None)
    )
    query = _summary()
    return _groups(query.where(not_(measurement)) if measures else query, numbers)


def _finished(connection: Connection, numbers: Sequence[int] | None) -> int:
    query = _done(select(func.count()).select_from(trial), numbers)
    return int(connection.execute(query).scalar_one())


def _newest(connection: Connection, trials: Sequence[int]) -> pd.DataFrame:
    import pandas as pd

    columns = [trial.c.id.label("trial"), *[trial.c[name] for name in LAST]]
    parts = [
        fetch(connection, select(*columns).where(trial.c.id.in_(trials[start : start + CHUNK])))
        for start in range(0, max(1, len(trials)), CHUNK)
    ]
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]


def planned_configs(store: Store, source: str, of_sweep: int | str | None = None) -> list[str]:
    """The configs planned in sweeps of a source (or in one sweep, if it is of that source), finished or not."""

    def work(connection: Connection) -> list[str]:
        shown = narrowing(connection, of_sweep)
        chosen = [n for n in connection.execute(select(sweep.c.id).where(sweep.c.source == source)).scalars()
                  if shown is None or n in shown]  # fmt: skip
        if not chosen:
            return []
        ids = select(trial.c.config).distinct()
        if connection.execute(select(func.count()).select_from(sweep)).scalar_one() > 1:
            planned = select(sweep_trial.c.trial_id).where(sweep_trial.c.sweep_id.in_(chosen))
            ids = ids.where(trial.c.id.in_(planned))
        return list(connection.execute(ids).scalars())

    return store.database.read(work)
