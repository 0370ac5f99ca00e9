"""Looking after a database from the command line."""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from results_db.store import Store
from tests.results_db_tests.connection.test_stored_databases import FOLDER, version_of
from tests.results_db_tests.kit.facts import finish, planned


def test_an_older_database_is_refused_with_a_command_that_works_as_printed(sweep, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    shutil.copy(FOLDER / "schema-0001.sqlite", path)
    status, _, err = sweep("list", "--db", path)
    assert status == 2
    words = err.split("`")[1].split()
    assert words[:3] == ["sweep", "db", "migrate"] and sweep(*words[1:])[0] == 0
    assert len(list(tmp_path.glob("old.db.backup-0001-*"))) == 1
    assert sweep("list", "--db", path)[0] == 0
    assert sweep("db", "migrate", "--db", path)[1].endswith(f"has schema {version_of(path)}\n")


def test_migrating_makes_no_database(sweep, tmp_path: Path) -> None:
    assert sweep("db", "migrate", "--db", tmp_path / "none.db")[0] == 2
    assert not (tmp_path / "none.db").exists()


def test_a_sweep_is_set_aside_and_deleted_by_commands(sweep, tmp_path: Path) -> None:
    db = tmp_path / "s.db"
    with Store.open(str(db)) as store:
        _, trials = planned(store, 2, "one")
        finish(store, trials)
        planned(store, 1, "two")
    assert "archived" in sweep("archive", "one", "--db", db)[1]
    assert [row["name"] for row in json.loads(sweep("list", "--json", "--db", db)[1])] == ["two"]
    assert [row["name"] for row in json.loads(sweep("list", "--archived", "--json", "--db", db)[1])] == ["one", "two"]
    assert sweep("archive", "one", "--undo", "--db", db)[0] == 0
    assert "would go: sweep one (1 trials" in sweep("delete", "one", "--dry-run", "--db", db)[1]
    assert list(tmp_path.glob("*.backup-*")) == []
    status, out, err = sweep("delete", "one", "--db", db)
    assert status == 0 and "deleted: sweep one (1 trials" in out and "1 trials stay" in out
    words = shlex.split(next(line for line in err.splitlines() if "sweep db restore" in line).split("with: ")[1])
    assert len(json.loads(sweep("list", "--json", "--db", db)[1])) == 1
    assert sweep(*words[1:])[0] == 0
    assert len(json.loads(sweep("list", "--json", "--db", db)[1])) == 2
    assert sweep("delete", "three", "--db", db)[0] == 2
    assert "MiB, was" in sweep("db", "shrink", "--db", db)[1]


def test_a_check_says_what_is_wrong_and_exits_with_1(sweep, tmp_path: Path) -> None:
    db = tmp_path / "s.db"
    with Store.open(str(db)) as store:
        _, trials = planned(store, 2, "one")
        finish(store, trials)
    assert sweep("db", "check", "--db", db)[:2] == (0, "sound\n")
    status, out, _ = sweep("db", "check", "--db", db, "--json")
    assert (status, json.loads(out)) == (0, {"sound": True, "faults": []})
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("UPDATE artifact SET data = ? WHERE trial_id = ?", (b"other bytes", trials[0]))
    status, out, _ = sweep("db", "check", "--db", db)
    (line,) = out.splitlines()
    assert status == 1 and f"trial {trials[0]}" in line
    status, out, _ = sweep("db", "check", "--db", db, "--json")
    assert (status, json.loads(out)) == (1, {"sound": False, "faults": [line]})


@pytest.mark.parametrize(
    "words",
    [
        ("list",), ("status",), ("resume",), ("retry", "--failed"), ("tag", "x", "y"), ("archive", "x"),
        ("delete", "x"),
        ("logs", "eSR-TM_s2_K5_C4"), ("best", "--scale", "2"), ("plot", "pareto", "--out", "a.png"), ("table",),
        ("export-results", "--out", "a.csv"), ("cost",), ("db", "info"), ("db", "check"), ("db", "shrink"),
        ("db", "backup", "--out", "b.db"), ("db", "migrate"), ("replay", "--table", "mine"),
    ],
)  # fmt: skip
def test_in_an_empty_folder_a_command_that_needs_a_sweep_says_so_and_leaves_nothing(
    sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = sweep(*words)
    assert status == 2 and "sweep run --space demo" in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
