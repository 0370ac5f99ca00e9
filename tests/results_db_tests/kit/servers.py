"""A PostgreSQL server for the session and an empty database for each test."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

_numbers = itertools.count()


class Server:
    """A throw-away PostgreSQL that listens on a socket in a temporary folder."""

    def __init__(self) -> None:
        import pgserver

        self.folder = Path(tempfile.mkdtemp(prefix="edge-sweep-pg-"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.handle: Any = pgserver.get_server(self.folder, cleanup_mode="stop")
        self.uri = str(self.handle.get_uri())
        self.host = self.uri.split("host=")[1]
        for setting in ("fsync = off", "full_page_writes = off"):
            self.admin(f"ALTER SYSTEM SET {setting}")
        self.admin("SELECT pg_reload_conf()")

    def database(self) -> str:
        """The address of a new, empty database: a schema of its own, which is made in a hundredth of the time."""
        name = f"sweep{next(_numbers)}"
        self.admin(f"CREATE SCHEMA {name}")
        return f"postgresql+psycopg://postgres@/postgres?host={self.host}&options=-csearch_path%3D{name}"

    def admin(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        self.handle.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """For a conftest to take over."""
    pytest.importorskip("pgserver", reason="PostgreSQL needs pgserver (the dev extra)")
    made = Server()
    yield made
    made.stop()
