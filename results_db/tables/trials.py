"""Sweeps and the trials they want."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from results_db.connection import clock
from results_db.connection.urls import scrub
from results_db.records import Counts, Planned, Source, SweepRow, TrialRow, utc
from results_db.schema import sweep, sweep_trial, trial
from results_db.states import State
from search_space.errors import StoreError
from search_space.facts import Failure, TrialKey

CHUNK = 1000
"""Values a statement names at once."""

USER_CODE = "user_code"
"""The setting that holds the text of a user's own files; who plans a sweep sees to it that no password is in it."""

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
    found = connection.execute(select(sweep).where(sweep.c.name == name)).one()
    if (found.space, found.source) != (space, str(source)) or found.recipe_json != recipe_json:
        what = "recipe" if found.recipe_json != recipe_json else f"space ({found.space}, now {space})"
        raise StoreError(f"sweep {name!r} was made with another {what}: choose another name for the new one")
    return int(found.id)


def change_settings(connection: Connection, number: int, settings: Mapping[str, Any]) -> None:
    """Put ``settings`` in the place of a sweep's own."""
    text = json.dumps(_kept(settings), default=str)
    connection.execute(update(sweep).where(sweep.c.id == number).values(settings=text))


def _kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without secrets; but a user's program stays as it is: ``token = self.K`` with stars in it is none any more."""
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


def trial_ids(connection: Connection, keys: Iterable[TrialKey]) -> dict[TrialKey, int]:
    """The ids of those keys that are in the store."""
    wanted = {_plain(key): key for key in keys}
    return {wanted[plain]: number for plain, number in _known(connection, wanted).items()}


_Plain = tuple[str, int, str, str, str]


def _plain(key: TrialKey) -> _Plain:
    """A key as a tuple, which hashes several times faster: a hundred thousand are compared while a person waits."""
    return key.config, key.seed, key.recipe, key.data, key.code


def _known(connection: Connection, wanted: Collection[_Plain]) -> dict[_Plain, int]:
    found: dict[_Plain, int] = {}
    if len(wanted) <= 200:
        for key in wanted:
            where = (column == value for column, value in zip(KEY, key, strict=True))
            number = connection.execute(select(trial.c.id).where(*where)).scalar()
            if number is not None:
                found[key] = number
        return found
    for basis in {key[2:] for key in wanted}:
        query = select(trial.c.config, trial.c.seed, trial.c.id).where(
            trial.c.recipe == basis[0], trial.c.data == basis[1], trial.c.code == basis[2]
        )
        for config, seed, number in plain_rows(connection, query):
            key = (config, seed, *basis)
            if key in wanted:
                found[key] = number
    return found


def plain_rows(connection: Connection, query: Select[Any]) -> list[tuple[Any, ...]]:
    """The driver's own rows, where there are many."""
    cursor: Any = connection.execute(query).cursor
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def plan(connection: Connection, sweep_number: int, keys: Iterable[TrialKey], source: Source) -> Planned:
    """Make the trials ``keys`` name part of the sweep; those there already, done or not, stay as they are."""
    wanted = dict.fromkeys(_plain(key) for key in keys)
    before = _known(connection, wanted)
    names = [column.name for column in KEY]
    fixed = {"source": str(source), "state": str(State.PENDING), "attempt": 0}
    new = [dict(zip(names, key, strict=True)) | fixed for key in wanted if key not in before]
    insert_new(connection, trial, new)
    ids = _known(connection, wanted) if new else before
    planned = select(sweep_trial.c.trial_id).where(sweep_trial.c.sweep_id == sweep_number)
    mine = {row[0] for row in plain_rows(connection, planned)}
    fresh = [ids[key] for key in wanted if ids[key] not in mine]
    insert_new(connection, sweep_trial, [{"sweep_id": sweep_number, "trial_id": number} for number in fresh])
    return Planned(created=len(new), shared=len(fresh) - len(new), already=len(wanted) - len(fresh))


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


def counts(connection: Connection, sweep_number: int | None) -> Counts:
    """How many trials of a sweep (None: of all) are in each state."""
    query: Select[Any] = select(trial.c.state, func.count()).group_by(trial.c.state)
    query = of_sweep(query, sweep_number)
    found = {State(state): int(count) for state, count in connection.execute(query)}
    return Counts(sum(found.values()), *(found.get(state, 0) for state in State))
