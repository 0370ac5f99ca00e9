"""Bringing an older store up to date, after a backup."""

from __future__ import annotations

import datetime as dt
import logging
import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from results_db import schema, views
from results_db.connection import clock
from results_db.connection.engine import Database, explain
from search_space.atomic import replaced
from search_space.errors import StoreError

MIGRATIONS = Path(__file__).parents[1] / "migrations"
log = logging.getLogger("edge_sweep.store")


def migrate(db: Database, version: str, newest: str) -> str:
    """Back up, then bring the schema from ``version`` to ``newest``, in one transaction; returns the backup's name.

    SQLite: a copy of the file beside it. PostgreSQL: a copy of the tables in a schema of its own, in the
    same transaction. Raises StoreError, with nothing changed, when either fails.
    """
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S%f")

    def work(connection: Connection) -> str:
        if not db.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": schema.APPLICATION_ID})
        now = connection.execute(text(f"SELECT version_num FROM {schema.VERSION_TABLE}")).scalar()
        if now != version:
            return "made by another program just now"
        backup = back_up(connection, db, version, stamp)
        views.drop(connection)
        upgrade(connection, newest)
        views.make(connection)
        detail = f"schema {version} to {newest}; backup: {backup}"
        row = {"at": clock.now(connection), "trial_id": None, "kind": "migrated", "detail": detail}
        connection.execute(schema.event.insert(), [row])
        return backup

    backup = db.write(work)
    log.warning("%s was migrated from schema %s; backup: %s", db.address, version, backup)
    return backup


def back_up(connection: Connection, db: Database, version: str, stamp: str) -> str:
    """Copy a store as it is, before something is changed in this transaction; the name of the copy.

    SQLite: a file beside it. PostgreSQL: a schema of its own, made in the same transaction. Raises StoreError.
    """
    return _backup_file(db, version, stamp) if db.is_sqlite else _backup_schema(connection, version, stamp)


def upgrade(connection: Connection, revision: str) -> None:
    """Run the migrations up to ``revision`` in the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def copy_file(source: Path, target: Path) -> None:
    """A consistent copy of a SQLite file that may be in use; raises StoreError and leaves no half copy."""
    if target.exists():
        raise StoreError(f"{target} exists already: name another file for the backup")
    try:
        with replaced(target) as partial:
            copy_pages(source, partial)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"no backup could be made at {target}: {error}") from None


def copy_pages(source: Path, target: Path) -> None:
    """Copy a SQLite file and what is in its log into a new one. Raises sqlite3.Error, also for damage."""
    reader = sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)
    writer = sqlite3.connect(target)
    try:
        reader.backup(writer)
        # Pages are copied as they are, damaged ones too.
        (verdict,) = writer.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"{source} is damaged: {' '.join(str(verdict).split())[:200]}")
        writer.execute("PRAGMA journal_mode=DELETE")
    finally:
        reader.close()
        writer.close()


def _backup_file(db: Database, version: str, stamp: str) -> str:
    path = db.address.path
    assert path is not None
    target = path.with_name(f"{path.name}.backup-{version}-{stamp}")
    copy_file(path, target)
    return str(target)


def _backup_schema(connection: Connection, version: str, stamp: str) -> str:
    if os.environ.get("EDGE_SWEEP_MIGRATE_WITHOUT_BACKUP") == "1":
        return "none (EDGE_SWEEP_MIGRATE_WITHOUT_BACKUP=1)"
    name = f"edge_sweep_backup_{version}_{stamp.lower()}"
    ours = {table.name for table in schema.TABLES} | {schema.VERSION_TABLE}
    try:
        with connection.begin_nested():
            connection.execute(text(f"CREATE SCHEMA {name}"))
            for table in sorted(ours & set(inspect(connection).get_table_names())):
                connection.execute(text(f"CREATE TABLE {name}.{table} AS TABLE {table}"))
    except SQLAlchemyError as error:
        why = explain(error, "PostgreSQL")
        raise StoreError(
            f"no backup could be made before migrating ({why}); grant CREATE on the database, or take a pg_dump "
            "and set EDGE_SWEEP_MIGRATE_WITHOUT_BACKUP=1"
        ) from None
    return f"schema {name}"
