"""Putting a backup in the place of a SQLite database, so that nothing of the old one is replayed over it."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path

from results_db.connection.engine import explain
from results_db.connection.migrate import copy_pages
from results_db.connection.opening import stored_version
from results_db.connection.urls import parse
from search_space.atomic import replaced
from search_space.errors import StoreError

BESIDE = ("-wal", "-shm", "-journal")
"""Files that SQLite keeps beside a database and would apply to whatever lies under its name."""


def restore(backup: Path, target: str) -> list[Path]:
    """Put ``backup`` at ``target``; what was there is moved aside, and its new names are returned.

    Raises StoreError, with nothing changed, when ``backup`` is not a sound database of ours, or when another program
    has ``target`` open.
    """
    path = parse(target).path
    if path is None:
        raise StoreError("a backup file is restored to a SQLite file; for PostgreSQL use `sweep db copy SOURCE TARGET`")
    if path.exists() and backup.exists() and path.samefile(backup):
        raise StoreError(f"{backup} is the database itself")
    stored_version(str(backup))
    _refuse_in_use(path)
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S%f")
    names = {path.with_name(path.name + e): path.with_name(f"{path.name}.replaced-{stamp}{e}") for e in ("", *BESIDE)}
    aside: list[Path] = []
    try:
        with replaced(path) as fresh:
            copy_pages(backup.absolute(), fresh)
            with closing(sqlite3.connect(fresh)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            for name, new in names.items():
                if name.exists():
                    aside.append(name.rename(new))
    except (sqlite3.Error, OSError) as error:
        for name, new in names.items():
            if new in aside:
                new.rename(name)
        raise explain(error, str(backup)) from None
    return aside


def _refuse_in_use(path: Path) -> None:
    """Raise StoreError when another program has the file open. Only then may SQLite not leave its log."""
    if not path.exists() or not path.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=0.5)) as connection:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreError(f"{path} is open in another program: stop it first, then restore") from None
        # A damaged file is what a backup is for.
