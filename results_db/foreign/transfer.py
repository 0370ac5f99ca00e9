"""Copying a whole store, between SQLite and PostgreSQL or alike: all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from results_db import schema
from results_db.records import damage
from results_db.store import Store
from search_space.errors import StoreError

BATCH = 5000
BLOB_BATCH = 200
COPIED = tuple(table for table in schema.TABLES if table is not schema.meta)


def copy(
    source: Store, target: Store, progress: Callable[[str, int], None] = lambda _table, _rows: None
) -> dict[str, int]:
    """Copy every row of ``source`` into the empty ``target``; returns the rows of each table.

    One read view of the source (a sweep may go on writing) and one transaction on the target: when it is
    interrupted the target stays empty, and the same call starts anew. Row counts and the SHA-256 of every
    artifact are checked before it counts. ``progress`` is told (table, rows so far).
    Raises StoreError when the target is not empty or the copy is not whole.
    """
    if source.database.address.url == target.database.address.url:
        raise StoreError(f"{source.url} cannot be copied onto itself")

    def write(there: Connection) -> dict[str, int]:
        try:
            return fill(there)
        except _OfTarget as failed:
            raise failed.error from None

    def fill(there: Connection) -> dict[str, int]:
        filled = [table.name for table in COPIED if there.execute(select(table).limit(1)).first() is not None]
        if filled:
            raise StoreError(f"{target.url} is not empty (it has rows in {', '.join(filled)}): name a new database")
        return source.database.read(lambda here: {t.name: _table(here, there, t, progress) for t in COPIED})

    return target.database.write(write)


class _OfTarget(Exception):
    """An error of the target, on its way past the source, which would take it for its own."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def _of_target(connection: Connection) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, connection.dialect.loaded_dbapi.Error) as error:
        raise _OfTarget(error) from None


def _table(here: Connection, there: Connection, table: Table, progress: Callable[[str, int], None]) -> int:
    rows = 0
    size = BLOB_BATCH if table in (schema.artifact, schema.checkpoint) else BATCH
    for batch in _batches(here, table, size):
        if table is schema.artifact:
            _check(batch)
        with _of_target(there):
            _insert(there, table, batch)
        rows += len(batch)
        progress(table.name, rows)
    count = select(func.count()).select_from(table)
    with _of_target(there):
        arrived = there.execute(count).scalar_one()
    left = here.execute(count).scalar_one()
    if not rows == arrived == left:
        raise StoreError(f"table {table.name}: {left} rows in the source, {arrived} arrived; nothing was kept")
    if there.dialect.name == "postgresql" and "id" in table.c:
        # The rows brought their ids along: the next one is given out after the last.
        with _of_target(there):
            there.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'),"
                    f" (SELECT coalesce(max(id), 0) + 1 FROM {table.name}), false)"
                )
            )
    return rows


def _batches(connection: Connection, table: Table, size: int) -> Iterator[list[tuple[Any, ...]]]:
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=size)
    for part in connection.execute(query).partitions():
        yield [tuple(row) for row in part]


def _insert(connection: Connection, table: Table, batch: list[tuple[Any, ...]]) -> None:
    names = [column.name for column in table.columns]
    if connection.dialect.name == "postgresql":
        raw: Any = connection.connection.driver_connection
        with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as stream:
            for row in batch:
                stream.write_row(row)
        return
    marks = ", ".join("?" * len(names))
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})", batch)


def _check(batch: list[tuple[Any, ...]]) -> None:
    for trial_id, kind, sha256, _size, data in batch:
        if found := damage(kind, trial_id, data, sha256):
            raise StoreError(f"{found}, then copy")
