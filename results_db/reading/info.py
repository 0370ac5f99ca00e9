"""What a store is and how much is in it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from results_db import schema
from results_db.records import Counts, SweepRow
from results_db.store import Store


@dataclass(frozen=True)
class Info:
    """A store at a glance; ``size`` and ``checkpoint_size`` are in bytes."""

    url: str
    engine: str
    server: str
    schema: str
    size: int
    checkpoint_size: int
    """What the states of trials in training take; gone when they are done."""
    rows: dict[str, int]
    sweeps: tuple[tuple[SweepRow, Counts], ...]


def describe(store: Store) -> Info:
    """Look at a store."""
    rows = store.database.read(_rows)
    size, version, server = store.database.read(_facts)
    held = store.database.read(
        lambda c: c.execute(select(func.coalesce(func.sum(schema.checkpoint.c.size), 0))).scalar()
    )
    sweeps = tuple((row, store.counts(row.id)) for row in store.sweeps())
    return Info(store.url, store.database.address.engine, server, version, size, int(held or 0), rows, sweeps)


def file_size(store: Store) -> int:
    """Bytes that a store takes on the disk."""
    size, _, _ = store.database.read(_facts)
    return size


def _rows(connection: Connection) -> dict[str, int]:
    return {
        table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
        for table in schema.TABLES
    }


def _facts(connection: Connection) -> tuple[int, str, str]:
    version = str(connection.execute(text(f"SELECT version_num FROM {schema.VERSION_TABLE}")).scalar_one())
    if connection.dialect.name == "postgresql":
        size = int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
        return size, version, "PostgreSQL " + str(connection.execute(text("SHOW server_version")).scalar_one())
    pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    size = pages * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
    return size, version, "SQLite " + str(connection.exec_driver_sql("SELECT sqlite_version()").scalar_one())
