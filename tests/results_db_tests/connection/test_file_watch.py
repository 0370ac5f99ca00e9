"""A database file that vanishes while it is in use is noticed before the next transaction, and after the last."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from results_db.store import Store
from results_db.tables import outcomes
from search_space.errors import StoreLost
from tests.results_db_tests.kit.facts import done, planned


def delete(path: Path) -> None:
    path.unlink()


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def replace(path: Path) -> None:
    shutil.copy(path, path.with_name("copy.db"))
    path.with_name("copy.db").replace(path)


def remove_log(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def cut(path: Path) -> None:
    os.truncate(path, 4096)


FAULTS = [delete, move, replace, remove_log, cut]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with Store.open(str(tmp_path / "s.db")) as opened:
        planned(opened)
        # What is in the file, and not in its log alone, is what can be cut off.
        opened.database.engine.raw_connection().cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
        opened.database.check_present()
        yield opened


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_written_to_a_file_that_is_not_there_any_more(store, fault: Callable[[Path], None]):
    trials = [row.id for row in store.trials()]
    fault(store.database.address.path)
    with pytest.raises(StoreLost, match="in use"):
        store.claim(trials, "driver", 60)
    with pytest.raises(StoreLost):
        store.database.check_present()


def test_a_file_that_vanishes_during_a_transaction_has_not_taken_its_result(store):
    (claim, *_) = store.claim([row.id for row in store.trials()], "driver", 60)

    def record_and_delete(connection):
        outcomes.record(connection, [done(claim)])
        store.database.address.path.unlink()

    with pytest.raises(StoreLost, match="is gone"):
        store.database.write(record_and_delete)


def test_a_deleted_file_is_not_made_anew(store):
    path = store.database.address.path
    path.unlink()
    with pytest.raises(StoreLost):
        store.counts()
    assert not path.exists()


def test_a_vacuum_by_another_program_is_no_loss(store):
    store.database.write(lambda c: c.exec_driver_sql("CREATE TABLE big AS SELECT zeroblob(4000000) AS x"))
    store.database.write(lambda c: c.exec_driver_sql("DROP TABLE big"))
    path = store.database.address.path
    before = path.stat().st_size
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("VACUUM")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    assert path.stat().st_size < before
    assert store.counts().planned == 4


def test_other_programs_that_come_and_go_do_not_look_like_a_loss(store):
    for _ in range(3):
        with Store.open(store.url) as other:
            other.expire_leases()
        store.expire_leases()
    with Store.open(store.url, readonly=True) as reader:
        assert reader.counts().planned == 4
