"""Whether a database is sound: its pages, its references, and the bytes of every stored file."""

from __future__ import annotations

from sqlalchemy import Connection, select

from results_db.records import damage
from results_db.schema import artifact, trial
from results_db.states import State
from results_db.store import Store

MOST = 20
"""Faults named of each kind."""


def faults(store: Store) -> list[str]:
    """What is wrong with a store, a line each; empty when it is sound. Raises StoreError when it cannot be read."""
    found: list[str] = []
    if store.database.is_sqlite:
        found += store.database.read(_pages)
    return found + store.database.read(_files) + store.database.read(_without_weights)


def _pages(connection: Connection) -> list[str]:
    """What SQLite finds in its own file."""
    rows = connection.exec_driver_sql(f"PRAGMA integrity_check({MOST})").scalars()
    found = [" ".join(str(row).split()) for row in rows if row != "ok"]
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(MOST):
        found.append(f"row {row} of {table} belongs to a {parent} that is not there")
    return found


def _files(connection: Connection) -> list[str]:
    """Stored files whose bytes no longer match their SHA-256."""
    query = select(artifact.c.trial_id, artifact.c.kind, artifact.c.sha256, artifact.c.data)
    found: list[str] = []
    for row in connection.execute(query.execution_options(yield_per=200)):
        if bad := damage(row.kind, row.trial_id, row.data, row.sha256):
            found.append(bad)
    return found[:MOST]


def _without_weights(connection: Connection) -> list[str]:
    """Finished trials of ours whose weights are missing."""
    has = select(artifact.c.trial_id).where(artifact.c.trial_id == trial.c.id, artifact.c.kind == "weights").exists()
    query = select(trial.c.id, trial.c.config).where(trial.c.state == str(State.DONE), trial.c.source == "ours", ~has)
    return [
        f"trial {row.id} ({row.config}) is done but has no weights" for row in connection.execute(query.limit(MOST))
    ]
