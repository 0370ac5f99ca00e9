from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from results_db.connection.opening import HEAD
from results_db.foreign import transfer
from results_db.reading import frames
from results_db.reading.info import describe
from results_db.store import Store
from search_space.errors import StoreError, SweepError
from sweep.cli.main import app
from tests.results_db_tests.kit.facts import failed, finish, key, planned, speed
from tests.results_db_tests.kit.servers import Server


def fill(url: str) -> None:
    with Store.open(url) as store:
        _, trials = planned(store, 12)
        finish(store, trials[:8])
        store.record([failed(one) for one in store.claim(trials[8:10], "a", 60)])
        store.claim(trials[10:11], "dead", -1)
        store.expire_leases()
        store.add_speeds([speed("eSR-TM_s2_K5_C1", 30.0, power_w=3.5)])


def facts(url: str) -> Any:
    with Store.open(url, readonly=True) as store:
        rows = describe(store).rows
        table = frames.results(store)
        weights = [store.artifact(row.id) for row in store.trials()]
        return rows, table.to_json(), weights, store.counts(), store.attempts(), store.sweeps()


@pytest.fixture(params=["sqlite-postgresql", "postgresql-sqlite", "sqlite-sqlite", "postgresql-postgresql"])
def pair(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> tuple[str, str]:
    make = {"sqlite": lambda name: str(tmp_path / f"{name}.db"), "postgresql": lambda _: server.database()}
    one, other = request.param.split("-")
    return make[one]("one"), make[other]("other")


def test_a_copy_holds_every_fact(pair: tuple[str, str]) -> None:
    fill(pair[0])
    result = CliRunner().invoke(app, ["db", "copy", *pair, "--json"])
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout)["rows"]["trial"] == 12
    assert facts(pair[1]) == facts(pair[0])


def test_a_copy_can_be_worked_on(pair: tuple[str, str]) -> None:
    fill(pair[0])
    CliRunner().invoke(app, ["db", "copy", *pair])
    with Store.open(pair[1]) as store:
        again = store.create_sweep("second", "demo", "{}")
        assert store.plan(again, [key(16)]).created == 1
        finish(store, [row.id for row in store.missing(again)])
        assert store.counts(again).done == 1


def test_a_copy_onto_facts_is_refused(pair: tuple[str, str]) -> None:
    for url in pair:
        fill(url)
    before = facts(pair[1])
    with Store.open(pair[0]) as one, Store.open(pair[1]) as other:
        with pytest.raises(StoreError, match="is not empty"):
            transfer.copy(one, other)
        with pytest.raises(StoreError, match="onto itself"):
            transfer.copy(one, one)
    assert facts(pair[1]) == before


def test_a_copy_that_breaks_off_leaves_nothing_and_can_be_done_again(pair: tuple[str, str]) -> None:
    fill(pair[0])

    def pull_the_plug(table: str, _rows: int) -> None:
        if table == "quality":
            raise RuntimeError("unplugged")

    with Store.open(pair[0]) as one, Store.open(pair[1]) as other:
        with pytest.raises(RuntimeError, match="unplugged"):
            transfer.copy(one, other, pull_the_plug)
        assert other.counts().planned == 0
        transfer.copy(one, other)
    assert facts(pair[1]) == facts(pair[0])


def test_a_damaged_artifact_is_not_copied(tmp_path: Path) -> None:
    one, other = str(tmp_path / "one.db"), str(tmp_path / "other.db")
    fill(one)
    with sqlite3.connect(one) as raw:
        raw.execute("UPDATE artifact SET data = x'00' WHERE trial_id = 1")
    with Store.open(one) as source, Store.open(other) as target, pytest.raises(StoreError, match="trial 1 are damaged"):
        transfer.copy(source, target)


def test_a_backup_is_a_store_of_its_own(url: str, tmp_path: Path) -> None:
    fill(url)
    out = tmp_path / "backup.db"
    result = CliRunner().invoke(app, ["db", "backup", "--db", url, "--out", str(out)])
    assert result.exit_code == 0, result.exception
    assert facts(str(out)) == facts(url)
    again = CliRunner().invoke(app, ["db", "backup", "--db", url, "--out", str(out)])
    assert isinstance(again.exception, SweepError) and "exists already" in str(again.exception)


def test_info_says_what_is_in_a_store(url: str) -> None:
    fill(url)
    result = CliRunner().invoke(app, ["db", "info", "--db", url, "--json"])
    found = json.loads(result.stdout)
    assert found["engine"] in ("sqlite", "postgresql")
    assert found["schema"] == HEAD
    (sweep,) = found["sweeps"]
    assert (sweep["planned"], sweep["done"], sweep["failed"], sweep["pending"]) == (12, 8, 2, 2)
    assert CliRunner().invoke(app, ["db", "info", "--db", url]).exit_code == 0


def one_line(arguments: list[str]) -> str:
    """What a refused command says; its exit status is not 0."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code != 0
    assert isinstance(result.exception, StoreError), result.exception
    assert "\n" not in str(result.exception)
    return str(result.exception)


def test_a_text_that_postgresql_cannot_hold_is_one_line_that_names_the_target(server: Server, tmp_path: Path) -> None:
    source, target = str(tmp_path / "one.db"), server.database()
    fill(source)
    with sqlite3.connect(source) as connection:
        connection.execute("UPDATE trial SET node = 'a' || char(0) || 'b' WHERE id = 1")
    told = one_line(["db", "copy", source, target])
    assert "NUL" in told and source not in told
    with Store.open(target) as store:
        assert store.counts().planned == 0, "all of it or nothing"


def test_an_error_of_the_target_names_the_target(tmp_path: Path) -> None:
    source, target = str(tmp_path / "one.db"), str(tmp_path / "other.db")
    fill(source)
    Store.open(target).close()
    with sqlite3.connect(target) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON trial BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    told = one_line(["db", "copy", source, target])
    assert target in told and source not in told


def spoil(path: Path) -> None:
    """Overwrite all pages but the first few: the file opens, its rows cannot be read."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trial'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)


@pytest.mark.parametrize("command", [["plot", "pareto", "--out", "x.png"], ["status"], ["db", "info"], ["table"]])
def test_a_damaged_page_is_one_line(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "one.db"
    fill(str(path))
    spoil(path)
    assert "damaged" in one_line([*command, "--db", str(path)])


def test_rows_of_the_drivers_own_cursor_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "one.db"
    fill(str(path))
    spoil(path)
    with Store.open(str(path), readonly=True) as store:
        for read in (store.trials, lambda: frames.attempts(store)):
            with pytest.raises(StoreError, match="damaged"):
                read()


def test_no_backup_is_made_of_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "one.db"
    fill(str(path))
    spoil(path)
    assert "damaged" in one_line(["db", "backup", "--db", str(path), "--out", str(tmp_path / "backup.db")])
    assert not list(tmp_path.glob("backup.db*"))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in one_line(["status", "--db", str(tmp_path / "pipe")])
