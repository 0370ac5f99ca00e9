from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from results_db import schema
from results_db.store import Store
from search_space.errors import StoreError
from tests.results_db_tests.kit.facts import finish, planned
from tests.results_db_tests.kit.servers import Server


def garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all " * 100)


def truncated(path: Path) -> None:
    with Store.open(str(path)) as store:
        planned(store, 16)
    path.write_bytes(path.read_bytes()[:5000])


def scribbled(path: Path) -> None:
    Store.open(str(path)).close()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(4000))


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE photos (id INTEGER)")


def marked_foreign(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA application_id = 77")
        raw.execute("CREATE TABLE meta (key, value)")


def newer(path: Path) -> None:
    Store.open(str(path)).close()
    with sqlite3.connect(path) as raw:
        raw.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()


def folder(path: Path) -> None:
    path.mkdir()


BAD: list[tuple[Callable[[Path], None], str]] = [
    (garbage, "not a SQLite database"),
    (truncated, "damaged"),
    (scribbled, "damaged"),
    (foreign, "belongs to another program"),
    (marked_foreign, "belongs to another program"),
    (newer, "newer edge-sweep.*upgrade"),
    (folder, "is a folder"),
]


@pytest.mark.parametrize(("make", "reason"), BAD, ids=[make.__name__ for make, _ in BAD])
@pytest.mark.parametrize("readonly", [False, True])
def test_a_file_that_is_no_store_of_ours_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], reason: str, readonly: bool
) -> None:
    path = tmp_path / "sweep.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=reason) as caught:
        Store.open(str(path), readonly=readonly)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere does not exist"):
        Store.open(str(tmp_path / "nowhere" / "sweep.db"))


def test_looking_at_a_store_that_is_not_there_makes_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        Store.open(str(tmp_path / "sweep.db"), readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_a_locked_store_is_told_from_a_broken_one(tmp_path: Path) -> None:
    path = tmp_path / "sweep.db"
    with Store.open(str(path), busy_timeout_s=0.1) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="is locked by another program"):
            store.create_sweep("demo", "demo", "{}")
        other.execute("ROLLBACK")
        other.close()
        assert store.create_sweep("demo", "demo", "{}") == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        # Permission bits do not hold root back: say what the system would say to anyone else.
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    else:
        tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="read-only"):
        Store.open(str(tmp_path / "sweep.db"))


def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sweep.db"
    with Store.open(str(path)) as store:
        _, trials = planned(store)
        finish(store, trials[:1])
        pages = store.database.read(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar_one())

        def full(connection: object) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")  # type: ignore[attr-defined]

        store.database.write(full)
        with pytest.raises(StoreError, match="the disk is full"):
            store.create_sweep("x" * 100_000, "demo", "{}")
        assert store.counts().done == 1


def test_a_reader_looks_on_while_a_sweep_writes(url: str) -> None:
    with Store.open(url) as writer:
        sweep, trials = planned(writer)
        with Store.open(url, readonly=True) as reader:
            finish(writer, trials[:2])
            assert reader.counts(sweep).done == 2
            with pytest.raises(StoreError, match="for reading only"):
                reader.create_sweep("other", "demo", "{}")


def test_a_read_only_connection_cannot_write_even_by_sql(url: str) -> None:
    Store.open(url).close()
    with Store.open(url, readonly=True) as reader, pytest.raises(StoreError, match="read"):
        reader.database.read(lambda c: c.execute(text("DELETE FROM meta")).rowcount)


def test_a_postgresql_schema_of_another_program_is_refused(server: Server) -> None:
    url = server.database()
    name = url.rsplit("%3D", 1)[1]
    server.admin(f"CREATE TABLE {name}.photos (id int)")
    with pytest.raises(StoreError, match=r"belongs to another program \(it holds photos\)"):
        Store.open(url)


def test_a_newer_schema_is_refused_on_both_engines(url: str) -> None:
    with Store.open(url) as store:
        store.database.write(
            lambda c: c.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")).close()
        )
    with pytest.raises(StoreError, match="newer edge-sweep"):
        Store.open(url)


def test_another_program_may_keep_its_tables_beside_ours(url: str) -> None:
    with Store.open(url) as store:
        store.database.write(lambda c: c.execute(text("CREATE TABLE studies (id INTEGER)")).close())
    Store.open(url).close()


def test_an_unknown_database_on_the_server_is_one_line(server: Server) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        Store.open(f"postgresql+psycopg://postgres@/nothere?host={server.host}", reconnect_s=0)
