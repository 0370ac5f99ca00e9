"""``sweep list`` and ``sweep tag``: every sweep of a database, and those that a person marked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from results_db.store import Store
from tests.results_db_tests.kit.facts import finish, planned


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """``night`` has half of its trials done, ``day`` the same trials and one more."""
    path = tmp_path / "s.db"
    with Store.open(str(path)) as store:
        _, trials = planned(store, 4, "night")
        finish(store, trials[:2])
        planned(store, 5, "day")
    return path


def test_every_sweep_is_listed_with_its_size_state_and_best_model(sweep, db: Path) -> None:
    status, out, _ = sweep("list", "--db", db)
    assert status == 0 and "2/4" in out and "2/5" in out and "dB on Set5" in out
    listed = {row["name"]: row for row in json.loads(sweep("list", "--db", db, "--json")[1])}
    assert (listed["night"]["planned"], listed["night"]["done"], listed["day"]["planned"]) == (4, 2, 5)
    assert listed["night"]["state"] and listed["night"]["best"]["2"]["config"].startswith("eSR-TM_s2")


def test_tags_and_a_note_are_set_filtered_by_and_taken_away(sweep, db: Path) -> None:
    assert sweep("tag", "night", "baseline", "slow", "--note", "before the new start", "--db", db)[0] == 0
    status, out, _ = sweep("list", "--tag", "baseline", "--db", db)
    assert status == 0 and "night" in out and "before the new start" in out and "day" not in out
    sweep("tag", "night", "--remove", "baseline", "--db", db)
    assert json.loads(sweep("list", "--tag", "baseline", "--db", db, "--json")[1]) == []
    (row,) = json.loads(sweep("list", "--tag", "slow", "--db", db, "--json")[1])
    assert row["name"] == "night"
