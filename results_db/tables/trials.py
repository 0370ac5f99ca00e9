"""Sweeps and their trials."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from results_db.connection import clock
from results_db.connection.urls import scrub
from results_db.records import Counts, Source, SweepRow, TrialGroup, TrialRow, utc
from results_db.schema import sweep, sweep_trial, trial
from results_db.states import State
from search_space.errors import StoreError
from search_space.facts import Failure, TrialKey

CHUNK = 1000
"""Most values in one statement."""

USER_CODE = "user_code"
"""The setting with the text of a user's own files; whoever plans a sweep refuses a file with a password in it."""

KEY = (trial.c.config, trial.c.seed, trial.c.recipe, trial.c.data, trial.c.code)


def insert_new(connection: Connection, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert ``rows``; those whose unique key is there already are left as they are."""
    if rows:
        make: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        statement: Insert = make(table).on_conflict_do_nothing()
        connection.execute(statement, list(rows))


def of_sweep(query: Any, sweep_number: int | None) -> Any:
    """Only the trials of one sweep (None: of all)."""
    if sweep_number is None:
        return query
    return query.join(sweep_trial, sweep_trial.c.trial_id == trial.c.id).where(sweep_trial.c.sweep_id == sweep_number)


def of_sweeps(query: Any, sweep_numbers: Sequence[int] | None) -> Any:
    """Only the trials of at least one of these sweeps (None: of all), each once."""
    if sweep_numbers is None or len(sweep_numbers) == 1:
        return of_sweep(query, None if sweep_numbers is None else sweep_numbers[0])
    return query.where(trial.c.id.in_(select(sweep_trial.c.trial_id).where(sweep_trial.c.sweep_id.in_(sweep_numbers))))


def create_sweep(
    connection: Connection,
    name: str,
    space: str,
    recipe_json: str,
    git: str,
    source: Source,
    settings: Mapping[str, Any],
) -> int:
    """The id of the sweep of that name, made if it is new; raises StoreError if it was made for something else."""
    row = {
        "name": name,
        "space": space,
        "recipe_json": recipe_json,
        "git": git,
        "source": str(source),
        "settings": json.dumps(_kept(settings), default=str),
        "created_at": clock.now(connection),
    }
    insert_new(connection, sweep, [row])
    stored = connection.execute(select(sweep).where(sweep.c.name == name)).one()
    if (stored.space, stored.source) != (space, str(source)) or stored.recipe_json != recipe_json:
        what = "recipe" if stored.recipe_json != recipe_json else f"space ({stored.space}, now {space})"
        raise StoreError(f"sweep {name!r} was made with another {what}: choose another name for the new one")
    return int(stored.id)


def change_settings(connection: Connection, number: int, settings: Mapping[str, Any]) -> None:
    """Replace the settings of a sweep."""
    text = json.dumps(_kept(settings), default=str)
    connection.execute(update(sweep).where(sweep.c.id == number).values(settings=text))


def _kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without secrets, except in a user's program, which stars in ``token = self.K`` would break."""
    kept: dict[str, Any] = scrub({name: value for name, value in settings.items() if name != USER_CODE})
    return kept | {name: value for name, value in settings.items() if name == USER_CODE}


def sweeps(connection: Connection) -> list[SweepRow]:
    """All sweeps, oldest first."""
    rows = connection.execute(select(sweep).order_by(sweep.c.id)).all()
    return [
        SweepRow(
            row.id,
            row.name,
            row.space,
            row.recipe_json,
            row.git,
            Source(row.source),
            json.loads(row.settings),
            utc(row.created_at),
        )
        for row in rows
    ]


def sweep_id(connection: Connection, wanted: int | str) -> int:
    """The id of a sweep; digits are a number unless a sweep is named so. Raises StoreError naming those there are."""
    if isinstance(wanted, str) and wanted.isascii() and wanted.isdigit() and len(wanted) < 19:
        named = connection.execute(select(sweep.c.id).where(sweep.c.name == wanted)).scalar()
        if named is None and connection.execute(select(sweep.c.id).where(sweep.c.id == int(wanted))).scalar():
            return int(wanted)
    column = sweep.c.id if isinstance(wanted, int) else sweep.c.name
    found = connection.execute(select(sweep.c.id).where(column == wanted)).scalar()
    if found is None:
        names = [str(n) for n in connection.execute(select(sweep.c.name).order_by(sweep.c.id).limit(8)).scalars()]
        raise StoreError(f"there is no sweep {wanted!r} here (there are: {', '.join(names) or 'none'})")
    return int(found)


def plain_rows(connection: Connection, query: Select[Any]) -> list[tuple[Any, ...]]:
    """The rows as the database driver returns them, which is faster for many."""
    cursor: Any = connection.execute(query).cursor
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


TRIAL_COLUMNS = (
    trial.c.id,
    *KEY,
    trial.c.state,
    trial.c.attempt,
    trial.c.failure,
    trial.c.owner,
    trial.c.lease_until,
)


def trial_row(row: Sequence[Any]) -> TrialRow:
    """A row of TRIAL_COLUMNS as a value."""
    number, config, seed, recipe, data, code, state, attempts, failure, owner, until = row
    key = TrialKey(config, seed, recipe, data, code)
    return TrialRow(number, key, State(state), attempts, Failure(failure) if failure else None, owner, until)


def trials(connection: Connection, sweep_number: int | None, states: Sequence[State] | None) -> list[TrialRow]:
    """The trials of a sweep (None: of all) in the order they were first planned, of some states (None: of all)."""
    query = select(*TRIAL_COLUMNS).order_by(trial.c.id)
    query = of_sweep(query, sweep_number)
    if states is not None:
        query = query.where(trial.c.state.in_([str(state) for state in states]))
    return [trial_row(row) for row in plain_rows(connection, query)]


def some(connection: Connection, ids: Iterable[int], states: Sequence[State]) -> list[TrialRow]:
    """Those of these trials that are in one of ``states``, in the order they were first planned."""
    listed, rows = sorted(set(ids)), list[TrialRow]()
    query = select(*TRIAL_COLUMNS).where(trial.c.state.in_([str(state) for state in states])).order_by(trial.c.id)
    for start in range(0, len(listed), CHUNK):
        rows += map(trial_row, plain_rows(connection, query.where(trial.c.id.in_(listed[start : start + CHUNK]))))
    return rows


def page(connection: Connection, sweep_number: int, state: State, after: int, limit: int) -> list[TrialRow]:
    """The first ``limit`` trials of a sweep in a state whose id is above ``after``, in the order of their ids."""
    query = of_sweep(select(*TRIAL_COLUMNS), sweep_number)
    query = query.where(sweep_trial.c.trial_id > after, trial.c.state == str(state))
    query = query.order_by(sweep_trial.c.trial_id).limit(limit)
    return [trial_row(row) for row in plain_rows(connection, query)]


def owners(connection: Connection, sweep_number: int) -> dict[str, int]:
    """Who holds running trials of a sweep, and how many."""
    query: Select[Any] = select(trial.c.owner, func.count()).where(trial.c.state == str(State.RUNNING))
    rows = connection.execute(of_sweep(query, sweep_number).group_by(trial.c.owner))
    return {str(owner): int(count) for owner, count in rows}


def groups(connection: Connection, sweep_number: int, states: Sequence[State]) -> list[TrialGroup]:
    """The trials of a sweep in some states, counted by all of their key but the seed."""
    config, _, recipe, data, code = KEY
    by = (config, recipe, data, code, trial.c.state)
    query: Select[Any] = select(*by, func.min(trial.c.seed), func.count()).where(
        trial.c.state.in_([str(state) for state in states])
    )
    rows = connection.execute(of_sweep(query, sweep_number).group_by(*by))
    return [
        TrialGroup(TrialKey(row[0], int(row[5]), row[1], row[2], row[3]), State(row[4]), int(row[6])) for row in rows
    ]


def configs_by_state(connection: Connection, sweep_number: int | None) -> dict[State, dict[str, int]]:
    """How many trials of each config are in each state."""
    query: Select[Any] = select(trial.c.state, trial.c.config, func.count()).group_by(trial.c.state, trial.c.config)
    out: dict[State, dict[str, int]] = {state: {} for state in State}
    for state, config, count in connection.execute(of_sweep(query, sweep_number)):
        out[State(state)][config] = int(count)
    return out


def counts(connection: Connection, sweep_number: int | None) -> Counts:
    """How many trials of a sweep (None: of all) are in each state."""
    query: Select[Any] = select(trial.c.state, func.count()).group_by(trial.c.state)
    query = of_sweep(query, sweep_number)
    by_state = {State(state): int(count) for state, count in connection.execute(query)}
    return Counts(sum(by_state.values()), *(by_state.get(state, 0) for state in State))
