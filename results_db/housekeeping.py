"""Setting sweeps aside, deleting them after a backup, and giving their space back."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from results_db import schema
from results_db.connection.engine import explain
from results_db.connection.migrate import back_up
from results_db.connection.opening import HEAD
from results_db.reading.info import file_size
from results_db.records import ARCHIVED, SweepRow
from results_db.store import Store
from results_db.tables import removal
from results_db.tables.removal import Removal


def archive(store: Store, wanted: int | str, undo: bool = False) -> SweepRow:
    """Set a sweep aside, or bring it back: nothing is deleted, but it is shown only where it is named.

    Raises StoreError for a sweep that is not there.
    """
    row = store.sweep(wanted)
    settings = {key: value for key, value in row.settings.items() if key != ARCHIVED}
    today = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    store.change_settings(row.id, settings if undo else settings | {ARCHIVED: row.settings.get(ARCHIVED, today)})
    return store.sweep(row.id)


def would_delete(store: Store, wanted: int | str) -> Removal:
    """What ``delete`` would remove. Raises StoreError for a sweep that is not there or that a driver works on."""
    number = store.sweep_id(wanted)
    return store.database.read(lambda c: removal.look(c, number))


def delete(store: Store, wanted: int | str, backup: bool = True) -> tuple[Removal, str]:
    """Delete a sweep and what only it has, after a backup; what went, and the backup's name.

    Both happen in one transaction. Raises StoreError, with nothing changed, when the backup fails.
    """
    number = store.sweep_id(wanted)
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S%f")

    def work(connection: Connection) -> tuple[Removal, str]:
        removal.look(connection, number)
        name = back_up(connection, store.database, HEAD, stamp) if backup else "none"
        return removal.remove(connection, number, f"backup: {name}"), name

    return store.database.write(work)


def shrink(store: Store) -> tuple[int, int]:
    """Give the space of what was deleted back to the disk: bytes before and after. Raises StoreError.

    Writers wait while it runs; SQLite needs as much free disk again as the database is large.
    """
    before = file_size(store)
    try:
        if store.database.is_sqlite:
            # Outside SQLAlchemy, which begins a transaction with every statement.
            with closing(store.database.engine.raw_connection()) as connection:
                cursor = connection.cursor()
                cursor.execute("VACUUM")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                cursor.fetchall()
        else:
            with store.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as server:
                server.exec_driver_sql(f"VACUUM FULL {', '.join(table.name for table in schema.TABLES)}")
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise explain(error, store.database.address) from None
    return before, file_size(store)
