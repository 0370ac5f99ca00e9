"""Opening a store: is it ours, is it the right version, make it if it is new, migrate it if it is old."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from shlex import quote

from sqlalchemy import Connection, inspect, text

from results_db import schema, views
from results_db.connection.engine import Database
from results_db.connection.filesystems import refuse_network
from results_db.connection.urls import parse
from search_space.errors import StoreError

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Schema versions, oldest first; each is a file in ``migrations/versions``."""
HEAD = REVISIONS[-1]
READABLE = ("0004", "0005", HEAD)
"""Versions with today's tables, which can be looked at as they are: 0005 adds views, 0006 an option of PostgreSQL."""


class EmptyDatabase(StoreError):
    """Opened read-only, and nothing was stored in it yet."""


class OlderSchema(StoreError):
    """Opened read-only, which does not migrate it."""


def prepare(db: Database, make: bool = True) -> None:
    """Leave ``db`` with the newest schema, or raise StoreError saying why it cannot be.

    A new database is made if ``make``, an older one is migrated after a backup, a newer or
    foreign one is refused untouched.
    """
    path = db.address.path
    if path is not None:
        _check_file(path, db.readonly, make)
        refuse_network(path, db.readonly)
    version = db.read(lambda c: _version(c, db))
    if version == HEAD or (db.readonly and version in READABLE):
        return
    if version is None and not make:
        raise EmptyDatabase(f"{db.address} is empty: there is no sweep in it yet")
    if db.readonly:
        raise OlderSchema(
            f"{db.address} has the older schema {version}: `sweep db migrate --db {quote(str(db.address))}` brings it "
            "up to date, after a backup"
        )
    if version is None:
        _create(db)
    else:
        from results_db.connection.migrate import migrate

        migrate(db, version, HEAD)


def stored_version(url: str) -> str:
    """The schema version of a database of ours that holds something; nothing is changed. Raises StoreError."""
    db = Database(parse(url), readonly=True)
    try:
        if db.address.path is not None:
            _check_file(db.address.path, db.readonly, make=False)
        version = db.read(lambda c: _version(c, db))
        if version is None:
            raise EmptyDatabase(f"{db.address} is empty: there is no sweep in it yet")
        return version
    finally:
        db.close()


def _check_file(path: Path, readonly: bool, make: bool) -> None:
    if path.is_dir():
        raise StoreError(f"{path} is a folder, not a database file")
    if path.exists() and not path.is_file():
        # To open a pipe would wait for its other end for ever.
        raise StoreError(f"{path} is not a file (a pipe or a device): name a file for the database")
    if not path.parent.is_dir():
        raise StoreError(f"{path}: the folder {path.parent} does not exist")
    exists = path.exists()
    if not make and not exists:
        raise StoreError(
            f"{path} does not exist: run a sweep first (`sweep run --space demo --db {quote(str(path))}`), or name "
            "its database with --db"
        )
    if exists and not os.access(path, os.R_OK):
        raise StoreError(f"{path} may not be read by you: check its permissions")
    if not readonly and not os.access(path if exists else path.parent, os.W_OK):
        raise StoreError(f"{path} cannot be written: the file or its folder is read-only")
    if exists and path.stat().st_size:
        with path.open("rb") as file:
            if not file.read(16).startswith(b"SQLite format 3\0"):
                raise StoreError(f"{path} is not a SQLite database: name another file with --db")


def _version(connection: Connection, db: Database) -> str | None:
    """The schema version, None for an empty database; raises for a foreign or newer one."""
    if db.is_sqlite:
        application = int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())
        if application not in (0, schema.APPLICATION_ID):
            raise StoreError(f"{db.address} belongs to another program (application id {application:#x})")
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if "meta" not in tables or schema.VERSION_TABLE not in tables:
        few = ", ".join(sorted(tables)[:4])
        raise StoreError(f"{db.address} belongs to another program (it holds {few}): name a database of its own")
    owner = connection.execute(text("SELECT value FROM meta WHERE key = 'application'")).scalar()
    if owner != schema.APPLICATION:
        raise StoreError(f"{db.address} belongs to another program: name a database of its own")
    version = connection.execute(text(f"SELECT version_num FROM {schema.VERSION_TABLE}")).scalar()
    if version not in REVISIONS:
        raise StoreError(
            f"{db.address} was written by a newer edge-sweep (schema {version}, this one knows {HEAD}): "
            "upgrade edge-sweep"
        )
    return str(version)


def _create(db: Database) -> None:
    if db.is_sqlite:
        _sqlite_settings(db)

    def make(connection: Connection) -> None:
        if not db.is_sqlite:
            # Two drivers may open the same empty database at once.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": schema.APPLICATION_ID})
        if _version(connection, db) is not None:
            return
        schema.metadata.create_all(connection)
        views.make(connection)
        stamp(connection, HEAD)
        connection.execute(schema.meta.insert(), [{"key": "application", "value": schema.APPLICATION}])

    db.write(make)


def stamp(connection: Connection, version: str) -> None:
    """Write the schema version as Alembic does."""
    connection.execute(
        text(f"CREATE TABLE IF NOT EXISTS {schema.VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    )
    connection.execute(text(f"DELETE FROM {schema.VERSION_TABLE}"))
    connection.execute(text(f"INSERT INTO {schema.VERSION_TABLE} (version_num) VALUES (:v)"), {"v": version})


def _sqlite_settings(db: Database) -> None:
    """Write-ahead log and our mark: both live in the file, and neither may be set inside a transaction."""
    from sqlalchemy.exc import SQLAlchemyError

    from results_db.connection.engine import explain

    try:
        raw = db.engine.raw_connection()
    except SQLAlchemyError as error:
        raise explain(error, db.address) from None
    try:
        cursor = raw.cursor()
        # Nothing repeats these two, as it does with transactions: they wait for a lock by themselves.
        slice_ms = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout={int(1000 * db.busy_timeout_s)}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
        cursor.execute(f"PRAGMA busy_timeout={slice_ms}")
    except sqlite3.Error as error:
        raise StoreError(f"{db.address} cannot be made: {error}") from None
    finally:
        raw.close()
