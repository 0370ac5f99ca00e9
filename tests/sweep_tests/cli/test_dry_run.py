"""``sweep run --dry-run`` prints a plan and writes nothing, whatever is at the database's address."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.results_db_tests.connection.test_migrations import old_store
from tests.sweep_tests.inside import inside as command

RUN = (
    *("run", "--space", "paper", "--family", "eSR-MAX", "--where", "K==3 and C<3", "--scale", "2"),
    *("--recipe", "smoke", "--steps", "2", "--executor", "inline", "--no-benchmark"),
)


def contents(folder: Path) -> dict[str, str]:
    """Digests by name; without the two files by which SQLite's readers and writers agree."""
    files = [path for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def dry_run(db: Path, small_data: Path) -> dict[str, object]:
    done = command(*RUN, "--data-root", str(small_data), "--db", str(db), "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "db").mkdir()
    return tmp_path / "db"


def test_no_database_is_made(folder, small_data):
    plan = dry_run(folder / "s.db", small_data)
    assert (plan["planned"], plan["missing"]) == (2, 2)
    assert contents(folder) == {}


def test_an_empty_file_stays_empty(folder, small_data):
    (folder / "s.db").touch()
    assert dry_run(folder / "s.db", small_data)["missing"] == 2
    assert (folder / "s.db").stat().st_size == 0


def test_finished_trials_are_counted_and_the_database_stays_as_it_is(folder, small_data):
    assert command(*RUN, "--data-root", str(small_data), "--db", str(folder / "s.db")).returncode == 0
    before = contents(folder)
    plan = dry_run(folder / "s.db", small_data)
    assert (plan["planned"], plan["done"], plan["missing"]) == (2, 2, 0)
    assert contents(folder) == before


def test_a_database_of_an_older_schema_is_not_migrated(folder, small_data):
    old_store(str(folder / "s.db"))
    before = contents(folder)
    assert dry_run(folder / "s.db", small_data)["missing"] == 2
    assert contents(folder) == before
