"""A store that is waited for can be hurried: whoever was asked to stop does not wait half a minute for a lock."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from results_db.store import Store
from search_space.errors import StoreError
from tests.results_db_tests.kit.facts import planned


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Store]:
    """A store that another program has locked."""
    path = tmp_path / "s.db"
    with Store.open(str(path)) as store:
        planned(store, 2)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        yield store
        other.close()


def test_a_call_that_waits_for_a_lock_is_hurried(locked: Store) -> None:
    threading.Timer(0.5, lambda: locked.limit_waits(0.2)).start()
    began = time.monotonic()
    with pytest.raises(StoreError, match="locked"):
        locked.expire_leases()
    assert time.monotonic() - began < 5


def test_after_a_hurry_no_call_waits_longer(locked: Store) -> None:
    locked.limit_waits(0.2)
    began = time.monotonic()
    with pytest.raises(StoreError, match="locked"):
        locked.claim([1], "me", 60)
    assert time.monotonic() - began < 5


def test_a_lock_that_is_given_up_in_time_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store.open(str(path)) as store:
        planned(store, 2)
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        threading.Timer(1.5, lambda: other.execute("ROLLBACK")).start()
        assert len(store.claim([1, 2], "me", 60)) == 2
        other.close()


def test_a_new_store_waits_for_another_program_that_has_just_begun_it(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    threading.Timer(1.5, lambda: other.execute("ROLLBACK")).start()
    with Store.open(str(path)) as store:
        assert store.sweeps() == []
    other.close()


def test_a_server_that_is_away_is_not_waited_for_after_a_hurry() -> None:
    from results_db.connection.engine import Database
    from results_db.connection.urls import parse

    database = Database(parse("postgresql+psycopg://me@127.0.0.1:9/db"), reconnect_s=60)
    threading.Timer(0.5, lambda: database.limit_waits(0.2)).start()
    began = time.monotonic()
    with pytest.raises(StoreError):
        database.read(lambda c: c.exec_driver_sql("SELECT 1").scalar())
    assert time.monotonic() - began < 10
