"""A backup in the place of a database: nothing of the old one is left beside it."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from results_db.connection.migrate import copy_file
from results_db.reading.check import faults
from results_db.restore import restore
from results_db.store import Store
from search_space.errors import StoreError
from tests.results_db_tests.kit.facts import finish, planned


@pytest.fixture
def backed_up(tmp_path: Path) -> tuple[Path, Path]:
    """A database with 4 trials more than its backup, left by a program that was killed: its log is full."""
    live, backup = tmp_path / "live.db", tmp_path / "good.db"
    with Store.open(str(live)) as store:
        planned(store)
        copy_file(live, backup)
    code = f"""
import os, signal
from results_db.store import Store
from tests.results_db_tests.kit.facts import keys
store = Store.open({str(live)!r})
store.plan(1, keys(8))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    assert live.with_name("live.db-wal").stat().st_size
    return live, backup


def test_the_old_log_is_not_replayed_over_a_restored_backup(backed_up):
    live, backup = backed_up
    moved = restore(backup, str(live))
    with Store.open(str(live)) as store:
        assert store.counts().planned == 4
    with Store.open(str(moved[0])) as old:
        assert old.counts().planned == 8


def test_a_log_that_was_left_alone_is_moved_aside_too(backed_up):
    live, backup = backed_up
    live.unlink()
    (aside, *_) = restore(backup, str(live))
    assert aside.name.endswith("-wal")
    with Store.open(str(live)) as store:
        assert store.counts().planned == 4


def test_a_database_in_use_is_not_replaced(backed_up):
    live, backup = backed_up
    with Store.open(str(live)) as store, pytest.raises(StoreError, match="open in another program"):
        store.counts()
        restore(backup, str(live))
    with Store.open(str(live)) as store:
        assert store.counts().planned == 8


def test_what_is_no_sound_backup_is_refused_and_changes_nothing(backed_up, tmp_path):
    live, backup = backed_up
    (tmp_path / "text.db").write_text("not a database")
    for bad in (tmp_path / "text.db", tmp_path / "none.db"):
        with pytest.raises(StoreError):
            restore(bad, str(live))
    pages = bytearray(backup.read_bytes())
    pages[8192:40960] = b"\xff" * (40960 - 8192)
    (tmp_path / "torn.db").write_bytes(bytes(pages))
    with pytest.raises(StoreError):
        restore(tmp_path / "torn.db", str(live))
    assert not list(tmp_path.glob("*replaced*"))
    with Store.open(str(live)) as store:
        assert store.counts().planned == 8


def test_a_check_names_damaged_files_and_broken_references(store):
    _, trials = planned(store)
    finish(store, trials[:2])
    assert faults(store) == []
    store.database.write(lambda c: c.exec_driver_sql(f"DELETE FROM artifact WHERE trial_id = {trials[0]}"))
    (found,) = faults(store)
    assert found.endswith("is done but has no weights")
    if store.database.is_sqlite:
        store.database.write(lambda c: c.exec_driver_sql("UPDATE artifact SET data = x'00'"))
        assert any("SHA-256 differs" in line for line in faults(store))
        with sqlite3.connect(store.url) as raw:
            raw.execute(f"DELETE FROM trial WHERE id = {trials[3]}")
        assert any("that is not there" in line for line in faults(store))
