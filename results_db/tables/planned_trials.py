"""Making trials part of a sweep, up to a million at a time: the statements do not grow with the trials one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, select, text

from results_db.records import Planned, Source
from results_db.schema import sweep_trial, trial
from results_db.states import State
from results_db.tables.trials import KEY, insert_new, plain_rows
from search_space.facts import TrialKey

ROWS = 50_000
"""Trials in one statement for PostgreSQL."""
FEW = 200
"""Up to so many keys are looked up one by one."""

PlainKey = tuple[str, int, str, str, str]


def plain(key: TrialKey) -> PlainKey:
    """A key as a tuple, which hashes several times faster."""
    return key.config, key.seed, key.recipe, key.data, key.code


def trial_ids(connection: Connection, keys: Iterable[TrialKey], state: State | None = None) -> dict[TrialKey, int]:
    """The ids of those keys that are in the store, in one state if given."""
    by_plain = {plain(key): key for key in keys}
    return {by_plain[found]: number for found, number in _stored_ids(connection, by_plain, state).items()}


def plan(connection: Connection, sweep_number: int, keys: Iterable[TrialKey], source: Source) -> Planned:
    """Make the trials that ``keys`` name part of the sweep; those planned already, done or not, stay as they are."""
    asked = dict.fromkeys(plain(key) for key in keys)
    stored = _stored_ids(connection, asked)
    new = [key for key in asked if key not in stored]
    insert = _insert_postgresql if connection.dialect.name == "postgresql" else _insert_sqlite
    created = insert(connection, sweep_number, new, source) if new else 0
    if created < len(new):
        # Another process planned some of them at this very moment.
        stored |= _stored_ids(connection, set(new))
    shared = _share(connection, sweep_number, stored.values()) if stored else 0
    return Planned(created, shared, already=len(asked) - created - shared)


def _share(connection: Connection, sweep_number: int, numbers: Iterable[int]) -> int:
    """Make stored trials part of the sweep too; how many were not yet."""
    planned = select(sweep_trial.c.trial_id).where(sweep_trial.c.sweep_id == sweep_number)
    already = {row[0] for row in plain_rows(connection, planned)}
    fresh = [number for number in numbers if number not in already]
    insert_new(connection, sweep_trial, [{"sweep_id": sweep_number, "trial_id": number} for number in fresh])
    return len(fresh)


def _stored_ids(connection: Connection, keys: Collection[PlainKey], state: State | None = None) -> dict[PlainKey, int]:
    ids: dict[PlainKey, int] = {}
    in_state = () if state is None else (trial.c.state == str(state),)
    if len(keys) <= FEW:
        for key in keys:
            where = (column == value for column, value in zip(KEY, key, strict=True))
            number = connection.execute(select(trial.c.id).where(*where, *in_state)).scalar()
            if number is not None:
                ids[key] = number
        return ids
    for inputs in {key[2:] for key in keys}:
        query = select(trial.c.config, trial.c.seed, trial.c.id).where(
            trial.c.recipe == inputs[0], trial.c.data == inputs[1], trial.c.code == inputs[2], *in_state
        )
        for config, seed, number in plain_rows(connection, query):
            key = (config, seed, *inputs)
            if key in keys:
                ids[key] = number
    return ids


_POSTGRESQL = text("""
    WITH made AS (
        INSERT INTO trial (config, seed, recipe, data, code, source, state, attempt)
        SELECT config, seed, recipe, data, code, :source, :state, 0
        FROM unnest(
            CAST(:configs AS text[]), CAST(:seeds AS bigint[]),
            CAST(:recipes AS text[]), CAST(:datas AS text[]), CAST(:codes AS text[])
        ) WITH ORDINALITY AS asked (config, seed, recipe, data, code, place)
        ORDER BY place
        ON CONFLICT DO NOTHING RETURNING id
    )
    INSERT INTO sweep_trial (sweep_id, trial_id) SELECT :sweep, id FROM made
""")


def _insert_postgresql(connection: Connection, sweep_number: int, new: Sequence[PlainKey], source: Source) -> int:
    made = 0
    for start in range(0, len(new), ROWS):
        configs, seeds, recipes, datas, codes = map(list, zip(*new[start : start + ROWS], strict=True))
        columns = {"configs": configs, "seeds": seeds, "recipes": recipes, "datas": datas, "codes": codes}
        fixed = {"source": str(source), "state": str(State.PENDING), "sweep": sweep_number}
        made += connection.execute(_POSTGRESQL, columns | fixed).rowcount
    return made


def _insert_sqlite(connection: Connection, sweep_number: int, new: Sequence[PlainKey], source: Source) -> int:
    last = connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM trial").scalar_one()
    connection.exec_driver_sql(
        "INSERT INTO trial (config, seed, recipe, data, code, source, state, attempt) "
        f"VALUES (?, ?, ?, ?, ?, '{source}', '{State.PENDING}', 0)",
        list(new),
    )
    # This transaction holds the only write lock: the newer rows are its own.
    connection.exec_driver_sql(
        "INSERT INTO sweep_trial (sweep_id, trial_id) SELECT ?, id FROM trial WHERE id > ?", (sweep_number, last)
    )
    return len(new)
