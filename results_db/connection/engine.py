"""One pool of database connections with the settings that the store relies on, and database errors in plain words."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from results_db.connection.file_watch import FileWatch
from results_db.connection.urls import Address, redact, storable
from search_space.errors import MissingExtra, StoreError, StoreLost

T = TypeVar("T")

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another one before the store is called locked."""
BINARY = "edge_binary"
"""Execution option: PostgreSQL sends numbers as they are, not as text."""
SLICE_S = 0.5
"""The part of a wait for SQLite's lock that cannot be interrupted."""
FIRST_CONTACT_S = 5.0
"""How long a server that never answered is tried: its address may be wrong."""
RECONNECT_S = 60.0
"""How long a lost PostgreSQL server is waited for; every write may be repeated without harm."""


class Database:
    """Runs functions of a connection in a transaction; repeats them when the connection was lost.

    The functions must be idempotent: when a connection drops during COMMIT nobody can tell whether
    it happened, so the function runs again.
    """

    def __init__(
        self,
        address: Address,
        readonly: bool = False,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        reconnect_s: float = RECONNECT_S,
    ) -> None:
        self.address = address
        self.readonly = readonly
        # SQLite waits for a lock inside its own code, where neither a signal nor ``limit_waits`` ends the wait: so the
        # wait is cut into slices.
        self._max_wait_s = busy_timeout_s if address.path else reconnect_s
        self._answered = address.path is not None
        self.busy_timeout_s = busy_timeout_s
        self._watch = FileWatch(address.path) if address.path else None
        self.engine = (
            _sqlite(address, readonly, min(busy_timeout_s, SLICE_S), self._watch)
            if self._watch
            else _postgresql(address, readonly)
        )
        # Rows read from the driver's own cursor, and COPY, bring the driver's own errors.
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError, self.engine.dialect.loaded_dbapi.Error)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the one-file engine."""
        return self.address.path is not None

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a read transaction (one consistent view)."""
        return self._run(work, write=False)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a write transaction: all of it happens, or nothing."""
        if self.readonly:
            raise StoreError(f"{self.address} is open for reading only")
        return self._run(work, write=True)

    def limit_waits(self, seconds: float) -> None:
        """Limit how long any call, also one that is waiting now, waits."""
        self._max_wait_s = min(self._max_wait_s, seconds)

    def check_present(self) -> None:
        """Raise StoreLost when a SQLite file is not the one that was opened; other engines answer for themselves."""
        if self._watch is not None:
            self._run(lambda connection: connection.exec_driver_sql("PRAGMA user_version").scalar(), write=False)

    def check_file(self) -> None:
        """The same by one look at the name of the file, which never waits. Raises StoreLost."""
        if self._watch is not None and self._watch.opened:
            self._watch.check_file()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _run(self, work: Callable[[Connection], T], write: bool) -> T:
        began = time.monotonic()
        pause = 0.01 if self.is_sqlite else 0.05
        while True:
            try:
                opened = self.engine.connect().execution_options(edge_write=write)
                with opened as connection, self._watched(connection), connection.begin():
                    self._answered = True
                    return work(connection)
            except UnicodeEncodeError as error:
                # Names of files and hosts need not be UTF-8; both engines store nothing else.
                odd = storable(str(error.object))[:200]
                raise StoreError(f"{odd!r} is not UTF-8 text: name it otherwise") from None
            except self._errors as error:
                if self._watch is not None and self._watch.opened:
                    self._watch.check_file()
                patience = self._max_wait_s if self._answered else min(FIRST_CONTACT_S, self._max_wait_s)
                if not transient(error, self.is_sqlite) or time.monotonic() + pause > began + patience:
                    raise explain(error, self.address) from None
            time.sleep(pause)
            pause = pause if self.is_sqlite else min(2.0, pause * 2)

    @contextmanager
    def _watched(self, connection: Connection) -> Iterator[None]:
        """Raises StoreLost before a transaction and, for what it wrote, after its COMMIT."""
        if self._watch is None or self.readonly:
            # A reader may have the file open without its log.
            yield
            return
        raw: Any = connection.connection.driver_connection
        self._watch.check(raw, connection.info, after=False)
        yield
        self._watch.check(raw, connection.info, after=True)


def transient(error: Exception, is_sqlite: bool) -> bool:
    """Whether doing the same again may work: a dropped connection, a deadlock, a server that restarts, a lock."""
    if not isinstance(error, DBAPIError):
        return False
    if is_sqlite:
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    # 08 connection, 40 serialisation and deadlock, 53 too many connections, 57P shutdown and start-up.
    if state[:2] in ("08", "40") or state[:3] in ("57P",) or state == "53300":
        return True
    # psycopg gives no code when nothing answers at all; a refused password does have words for it.
    words = str(error.orig).lower()
    final = ("authentication", "password", "does not exist", "no pg_hba", "resolve host", "role ", "ssl")
    return isinstance(error, OperationalError) and not state and not any(word in words for word in final)


def explain(error: Exception, address: Address | str) -> StoreError:
    """One clear line for a database error: what is wrong and what to do, without passwords."""
    cause = getattr(error, "orig", None) or error
    words = redact(" ".join(str(cause).split()))
    low = words.lower()
    if "locked" in low or "busy" in low:
        return StoreError(f"{address} is locked by another program; close it, or try again when it has finished")
    if "malformed" in low or "not a database" in low:
        return StoreLost(f"{address} is damaged or not a SQLite database; restore a backup or name another file")
    if "readonly" in low or "read-only" in low:
        return StoreError(f"{address} cannot be written: the file or its folder is read-only")
    if "disk is full" in low or "disk full" in low or "no space left" in low:
        return StoreError(f"{address} cannot grow: the disk is full; make room and run the same command again")
    if "unable to open" in low:
        return StoreError(f"{address} cannot be opened: check that the folder exists and may be written")
    return StoreError(f"{address}: {words[:300]}")


def _sqlite(address: Address, readonly: bool, busy_timeout_s: float, watch: FileWatch) -> Engine:
    path = watch.path

    def connect() -> sqlite3.Connection:
        if readonly:
            # A folder that cannot be written has no place for the shared-memory file of WAL; with no log
            # beside the file it is complete as it is, and may be read as immutable.
            frozen = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
            target = f"{path.as_uri()}?mode=ro" + ("&immutable=1" if frozen else "")
        else:
            target = f"{path.as_uri()}?mode={'rw' if watch.opened else 'rwc'}"
        made = sqlite3.connect(target, uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
        watch.on_connect()
        return made

    engine = create_engine(address.url, creator=connect)

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-65536")
        if readonly:
            connection.execute("PRAGMA query_only=ON")
        else:
            # A power cut may lose the last moments (they are then simply done again), never the file.
            connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Taking the write lock first means two writers wait for each other; upgrading a read would fail at once.
        write = connection.get_execution_options().get("edge_write", True) and not readonly
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgresql(address: Address, readonly: bool) -> Engine:
    try:
        import psycopg
    except ImportError:
        raise MissingExtra("PostgreSQL needs its driver: pip install 'edge-sweep[postgresql]'") from None
    engine = create_engine(
        address.url,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 5,
            "client_encoding": "utf8",
            "application_name": "edge-sweep",
            "keepalives_idle": 30,
        },
    )

    @event.listens_for(engine, "before_cursor_execute")
    def _binary(_connection: Any, cursor: Any, _statement: Any, _parameters: Any, context: Any, _many: Any) -> None:
        if context is not None and context.execution_options.get(BINARY):
            cursor.format = psycopg.pq.Format.BINARY

    if readonly:

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.execute(text("SET TRANSACTION READ ONLY"))

    return engine
