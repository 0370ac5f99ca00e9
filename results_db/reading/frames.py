"""Results as pandas frames, which ``analysis`` draws."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Double, Integer, Select, and_, func, select

from results_db.connection.engine import BINARY
from results_db.reading import speed_details
from results_db.records import CUDA
from results_db.schema import attempt, measure, quality, speed, sweep, sweep_trial, trial
from results_db.states import State
from results_db.tables.speeds import SPEED_KEY, SPEED_VALUES
from results_db.tables.trials import of_sweep, of_sweeps, sweep_id, sweeps

if TYPE_CHECKING:
    import pandas as pd

    from results_db.store import Store

MOST_JOINS = 40
"""SQLite joins at most 64 tables in a query."""
SPEED_COLUMNS = (*SPEED_KEY, *SPEED_VALUES, "measured_at")
RENAMED = {"protocol": "speed_protocol", "source": "speed_source"}
"""Columns of speeds whose names a trial's columns have too."""
OF_SPEEDS = (
    *(RENAMED.get(column, column) for column in SPEED_COLUMNS if column != "config"),
    *speed_details.COLUMNS,
)
"""Columns of ``results`` that are empty for a model without a speed."""
PROVENANCE = ("engines", "trained_on", "training_precision", "torch")
DETAILS = ("recipe", "node", "flags", *PROVENANCE, "trained_under")
"""Texts of a trial that no chart of chosen metrics shows; reading them takes a third of the time of 100,000 trials."""
TRIAL_COLUMNS = (
    "id",
    "config",
    "source",
    "seed",
    "recipe",
    "seconds",
    "steps",
    "node",
    "flags",
    "parameters",
    "finished_at",
    *PROVENANCE,
)


def results(
    store: Store,
    sweep: int | str | None = None,
    source: str | None = None,
    device: str | None = None,
    backend: str | None = None,
    precision: str | None = None,
    protocol: str | None = None,
    metrics: Sequence[str] | None = None,
) -> pd.DataFrame:
    """One row per finished trial, quality protocol and speed measurement; NaN where something is not known.

    Columns: ``trial, config, family, scale, source, sweep, seed, recipe, parameters`` (as published; NaN
    elsewhere, ``search_space.costs.describe`` computes it), ``seconds, steps, node, flags, finished_at`` (s since
    1970), ``engines, trained_on, training_precision, torch`` (``facts.Provenance``), ``trained_under`` (JSON of
    ``facts.CudaState``; of trainings on a GPU), ``protocol`` (of the
    quality), ``psnr:Set5`` and its like, then ``device, backend, precision, speed_protocol, speed_source, fps,
    seconds_median, ..., power_w`` (W), ``energy_j`` (J per frame), ``memory_mib, temperature_c,
    cpu_percent, measured_at, disturbed`` (True, False; missing where not known), ``threads, output`` (``1920x1080``),
    ``kit`` (hash of the kit that measured it).

    Speed belongs to an architecture: each speed of a config stands beside each of its trials. Without
    ``sweep``, configs that have a speed but no finished trial are there too, with ``trial`` NaN.
    ``device``, ``backend``, ``precision`` choose speeds (trials without such a speed stay, with NaN);
    ``source`` and ``protocol`` choose trials and their quality. ``metrics`` (``["psnr:Set5"]``; None: all) says
    which quality columns are wanted: with 100,000 trials a chart that names its metric is drawn twice as fast;
    ``recipe``, ``node``, ``flags`` and what trained it are left out as well.
    """
    speeds = {"device": device, "backend": backend, "precision": precision}
    return store.database.read(lambda c: _results(c, sweep, source, speeds, protocol, metrics))


def _results(
    connection: Connection,
    wanted: int | str | None,
    source: str | None,
    speed_filter: dict[str, str | None],
    protocol: str | None,
    metrics: Sequence[str] | None,
) -> pd.DataFrame:
    numbers = narrowing(connection, wanted)
    trials = _trials(connection, numbers, source, metrics is None)
    qualities = _quality(connection, numbers, protocol, metrics)
    table = _beside(trials, qualities)
    names = list(qualities.columns[2:])
    table = with_speeds(connection, table, speed_filter, orphans=wanted is None and source is None)
    first = ["trial", "config", "family", "scale", "source", "sweep", "seed", "recipe", "parameters"]
    first += ["seconds", "steps", "node", "flags", "finished_at", *PROVENANCE, "trained_under", "protocol", *names]
    first = [column for column in first if metrics is None or column not in DETAILS]
    return table[[*first, *[column for column in table.columns if column not in first]]]


def narrowing(connection: Connection, wanted: int | str | None) -> tuple[int, ...] | None:
    """The ids of the sweeps whose trials are to be looked up; None where those are all trials.

    Without ``wanted`` those are the sweeps that are not archived. Raises StoreError for a sweep that is not there.
    """
    every = sweeps(connection)
    named = () if wanted is None else (sweep_id(connection, wanted),)
    shown = named or tuple(row.id for row in every if not row.archived)
    # A filter that leaves nothing out only costs time.
    return None if len(shown) == len(every) else shown


def with_speeds(
    connection: Connection, table: pd.DataFrame, chosen: dict[str, str | None], orphans: bool
) -> pd.DataFrame:
    """Rows of trials with each speed of their config beside them (and, on demand, speeds without a trial), and
    ``family`` and ``scale`` of each config."""
    import pandas as pd

    speeds = _speeds(connection, chosen)
    untrained = speeds[~speeds["config"].isin(table["config"])] if orphans else speeds[:0]
    table = table.merge(speeds, on="config", how="left")
    if len(untrained):
        table = pd.concat([table, untrained], ignore_index=True)
    codes, ids = pd.factorize(table["config"])
    parts = pd.Series(ids, dtype="str").str.extract(r"^([^_]+)_s(\d+)")
    table["family"] = parts[0].take(codes).array
    table["scale"] = parts[1].astype("int64").to_numpy()[codes]
    return table


def _beside(trials: pd.DataFrame, qualities: pd.DataFrame) -> pd.DataFrame:
    """Trials with their quality, one row per protocol; two frames of the same trials in one order are only joined."""
    import numpy as np
    import pandas as pd

    if len(trials) == len(qualities) and np.array_equal(trials["trial"].to_numpy(), qualities["trial"].to_numpy()):
        return pd.concat([trials, qualities.drop(columns="trial").set_axis(trials.index)], axis=1)
    return trials.merge(qualities, on="trial", how="left")


def _trials(connection: Connection, numbers: Sequence[int] | None, source: str | None, details: bool) -> pd.DataFrame:
    sources = set(connection.execute(select(sweep.c.source)).scalars())
    # Where every sweep is of one source, so is every trial, and the column need not be read.
    known = sources.pop() if len(sources) == 1 else None
    left_out = {*(() if details else DETAILS), *(("source",) if known else ())}
    columns = [trial.c[name] for name in TRIAL_COLUMNS if name not in left_out]
    query: Any = select(*columns).where(trial.c.state == str(State.DONE))
    if source is not None:
        query = query.where(trial.c.source == str(source))
    query = of_sweeps(query, numbers)
    table = fetch(connection, query.order_by(trial.c.id)).rename(columns={"id": "trial"})
    if known:
        table["source"] = known
    table["sweep"] = _sweep_names(connection, table["trial"], numbers)
    if details:
        table["trained_under"] = table["trial"].map(_cuda_states(connection)).astype("object")
    return table


def _cuda_states(connection: Connection) -> dict[int, str]:
    """By trial: what is known of the GPU software under its training, as JSON (``facts.CudaState``)."""
    finished = and_(attempt.c.trial_id == trial.c.id, attempt.c.number == trial.c.attempt)
    query = select(trial.c.id, attempt.c.detail).join(attempt, finished)
    query = query.where(trial.c.engines.is_not(None), attempt.c.detail.contains(f'"{CUDA}"'))
    return {number: json.dumps(json.loads(detail)[CUDA]) for number, detail in connection.execute(query)}


def _sweep_names(connection: Connection, trials: pd.Series[int], numbers: Sequence[int] | None) -> Any:
    """The name of the (first) of these sweeps of each trial."""
    names = {row[0]: row[1] for row in connection.execute(select(sweep.c.id, sweep.c.name))}
    if numbers is not None and len(numbers) == 1:
        return names[numbers[0]]
    if len(names) == 1:
        return next(iter(names.values()))
    first = select(sweep_trial.c.trial_id, func.min(sweep_trial.c.sweep_id).label("first")).group_by(
        sweep_trial.c.trial_id
    )
    if numbers is not None:
        first = first.where(sweep_trial.c.sweep_id.in_(numbers))
    owners = fetch(connection, first).set_index("trial_id")["first"]
    return trials.map(owners).map(names)


def _quality(
    connection: Connection, numbers: Sequence[int] | None, protocol: str | None, metrics: Sequence[str] | None
) -> pd.DataFrame:
    """One row per trial and protocol, one column per ``metric:dataset``; the database turns rows into columns."""
    import pandas as pd

    kinds = kinds_of_quality(connection, protocol, metrics)
    turn = _by_grouping if connection.dialect.name == "postgresql" else _by_joins
    tables = []
    for of_protocol, columns in kinds.items():
        names = list(columns)
        table = None
        for start in range(0, len(names), MOST_JOINS):
            part = fetch(connection, turn({name: columns[name] for name in names[start : start + MOST_JOINS]}, numbers))
            table = part if table is None else table.merge(part, on="trial", how="outer")
        assert table is not None
        table = table.dropna(how="all", subset=names)
        table.insert(1, "protocol", of_protocol)
        if len(table):
            tables.append(table)
    if not tables:
        return pd.DataFrame({"trial": pd.Series(dtype="int64"), "protocol": pd.Series(dtype="str")})
    return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]


def kinds_of_quality(
    connection: Connection, protocol: str | None, metrics: Sequence[str] | None
) -> dict[str, dict[str, int]]:
    """The number of each quality column by protocol: ``{"y-v1": {"psnr:Set5": 3}}``."""
    query = select(measure.c.id, measure.c.protocol, measure.c.metric, measure.c.dataset).order_by(measure.c.id)
    if protocol is not None:
        query = query.where(measure.c.protocol == protocol)
    kinds: dict[str, dict[str, int]] = {}
    for named, of_protocol, metric, dataset in connection.execute(query):
        if metrics is None or f"{metric}:{dataset}" in metrics:
            kinds.setdefault(of_protocol, {})[f"{metric}:{dataset}"] = named
    return kinds


def _by_joins(columns: dict[str, int], numbers: Sequence[int] | None) -> Any:
    """SQLite: look each value up by its key, which takes half the time of grouping a million rows."""
    query: Any = select(trial.c.id.label("trial")).where(trial.c.state == str(State.DONE))
    for name, named in columns.items():
        value = quality.alias()
        query = query.add_columns(value.c.value.label(name))
        query = query.outerjoin_from(trial, value, and_(value.c.trial_id == trial.c.id, value.c.measure_id == named))
    return of_sweeps(query, numbers).order_by(trial.c.id)


def _by_grouping(columns: dict[str, int], numbers: Sequence[int] | None) -> Any:
    """PostgreSQL: one parallel pass over the values."""
    values = [func.max(quality.c.value).filter(quality.c.measure_id == n).label(name) for name, n in columns.items()]
    query: Any = select(quality.c.trial_id.label("trial"), *values).where(quality.c.measure_id.in_(columns.values()))
    if numbers is not None:
        shown = select(sweep_trial.c.trial_id).where(sweep_trial.c.sweep_id.in_(numbers))
        query = query.where(quality.c.trial_id.in_(shown))
    return query.group_by(quality.c.trial_id).order_by(quality.c.trial_id)


def _speeds(connection: Connection, chosen: dict[str, str | None]) -> pd.DataFrame:
    details = speed_details.columns(connection)
    query = select(*[speed.c[name] for name in SPEED_COLUMNS], *details).order_by(speed.c.id)
    for name, value in chosen.items():
        if value is not None:
            query = query.where(speed.c[name] == value)
    return speed_details.in_words(fetch(connection, query).rename(columns=RENAMED))


def measures(store: Store, protocol: str | None = None) -> dict[str, list[str]]:
    """The quality columns there may be: ``{"psnr:Set5": [protocol, ...]}``, without reading a value."""
    query = select(measure.c.metric, measure.c.dataset, measure.c.protocol).order_by(measure.c.id)
    protocols: dict[str, list[str]] = {}
    for metric, dataset, of_protocol in store.database.read(lambda c: c.execute(query).all()):
        if protocol is None or protocol == of_protocol:
            protocols.setdefault(f"{metric}:{dataset}", []).append(of_protocol)
    return protocols


def attempts(store: Store, sweep: int | str | None = None) -> pd.DataFrame:
    """One row per attempt: ``trial, number, config, state, owner, node, started_at, ended_at, outcome, failure, error,
    seconds, steps`` (times in s since 1970)."""
    columns = ("owner", "node", "started_at", "ended_at", "outcome", "failure", "error", "seconds", "steps")

    def work(connection: Connection) -> pd.DataFrame:
        number = None if sweep is None else sweep_id(connection, sweep)
        query: Any = select(
            attempt.c.trial_id.label("trial"),
            attempt.c.number,
            trial.c.config,
            trial.c.state,
            *[attempt.c[name] for name in columns],
        ).join(trial, trial.c.id == attempt.c.trial_id)
        return fetch(connection, of_sweep(query, number).order_by(attempt.c.started_at))

    return store.database.read(work)


def fetch(connection: Connection, query: Select[Any]) -> pd.DataFrame:
    """A query's rows as a frame, without a Python object per row."""
    import pandas as pd

    result = connection.execute(query, execution_options={BINARY: True})
    names = list(result.keys())
    kinds = [column.type for column in query.selected_columns]
    assert result.cursor is not None
    with _no_collection():
        columns = list(zip(*result.cursor.fetchall(), strict=True)) or [()] * len(names)
    table = {name: _column(values, kind) for name, values, kind in zip(names, columns, kinds, strict=True)}
    return pd.DataFrame(table)


def _column(values: tuple[Any, ...], kind: Any) -> Any:
    """Values of one SQL type: NULL is NaN among numbers, missing among texts; whole numbers stay whole if known."""
    import numpy as np
    import pandas as pd

    if not isinstance(kind, Double | Integer):
        return pd.Series(values, dtype="str")
    if isinstance(kind, Integer) and None not in values:
        return np.array(values, dtype="int64")
    return np.array(values, dtype="float64")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the cycle collector, which would walk 100,000 new rows several times."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
