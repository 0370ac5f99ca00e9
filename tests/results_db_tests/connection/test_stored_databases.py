"""Databases that earlier versions wrote open, after a backup, and say what they said then (``databases/README.md``)."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.pareto import draw
from analysis.reading.results import gather, gather_means
from analysis.reading.selection import Selection
from results_db import schema
from results_db.connection.opening import HEAD, REVISIONS
from results_db.reading import frames
from results_db.states import State
from results_db.store import Store

FOLDER = Path(__file__).parent / "databases"
STORED = sorted(path.stem.removeprefix("schema-") for path in FOLDER.glob("schema-*.sqlite"))
Opened = tuple[str, Store, dict[str, Any], Path]


@pytest.fixture(params=STORED)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    version = str(request.param)
    path = tmp_path / "sweep.db"
    shutil.copy(FOLDER / f"schema-{version}.sqlite", path)
    told = json.loads((FOLDER / f"schema-{version}.json").read_text())
    with Store.open(str(path)) as store:
        yield version, store, told, path


def test_every_past_schema_has_its_stored_database() -> None:
    assert {"0001", "0002", *REVISIONS[:-1]} <= set(STORED) <= set(REVISIONS)


def version_of(path: Path) -> str:
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as connection:
        return str(connection.execute(f"SELECT version_num FROM {schema.VERSION_TABLE}").fetchone()[0])


def test_a_stored_file_has_the_schema_that_it_is_named_after() -> None:
    assert [version_of(FOLDER / f"schema-{version}.sqlite") for version in STORED] == STORED


def test_an_older_database_is_migrated_after_a_backup_of_the_whole_file(opened: Opened) -> None:
    version, store, told, path = opened
    assert version_of(path) == HEAD
    backups = list(path.parent.glob(f"sweep.db.backup-{version}-*"))
    assert len(backups) == (version != HEAD)
    for backup in backups:
        assert version_of(backup) == version
        with sqlite3.connect(backup) as connection:
            rows = connection.execute("SELECT count(*) FROM attempt").fetchone()[0]
        assert rows == len(told["attempts"])
        assert [event.detail for event in store.events() if event.kind == "migrated"] != []


def test_its_sweeps_and_counts_are_what_they_were(opened: Opened) -> None:
    _, store, told, _ = opened
    sweeps = store.sweeps()
    assert [[s.id, s.name, s.space, s.recipe_json, str(s.source)] for s in sweeps] == told["sweeps"]
    kinds = ("planned", "pending", "running", "done", "failed")
    assert {s.name: {k: getattr(store.counts(s.id), k) for k in kinds} for s in sweeps} == told["counts"]


def test_its_results_are_what_they_were(opened: Opened) -> None:
    _, store, told, _ = opened
    rows = frames.results(store).to_dict("records")
    assert len(rows) == len(told["results"])
    for now, then in zip(rows, told["results"], strict=True):
        for name, value in then.items():
            found = now[name]
            if value is None:
                assert found is None or (isinstance(found, float) and math.isnan(found)), name
            else:
                assert found == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value), name


def test_its_attempts_failures_and_weights_are_what_they_were(opened: Opened) -> None:
    _, store, told, _ = opened
    attempts = [
        [a.trial, a.number, a.outcome, None if a.failure is None else str(a.failure), a.error] for a in store.attempts()
    ]
    assert attempts == told["attempts"]
    assert any(outcome == "failed" for _, _, outcome, _, _ in attempts)
    weights = {str(row.id): store.artifact(row.id) for row in store.trials(states=[State.DONE])}
    assert {trial: None if one is None else one.sha256 for trial, one in weights.items()} == told["weights"]
    assert any(weights.values())


def test_its_chart_shows_what_it_showed(opened: Opened) -> None:
    _, store, told, _ = opened
    chart = told["chart"]
    _, drawn = draw(gather_means(store, Selection()), Selection())
    assert (drawn.shown, drawn.planned) == (chart["shown"], chart["planned"])
    assert [list(one) for one in drawn.frontiers] == chart["frontiers"] and drawn.shown
    table = gather(store, Selection()).table[["config", "fps", chart["metric"]]]
    points = [[config, *(None if math.isnan(v) else v for v in values)] for config, *values in table.values.tolist()]
    assert points == [[config, *map(pytest.approx, values)] for config, *values in chart["points"]]


def test_its_lapsed_leases_end_and_its_trials_can_be_claimed_and_finished(opened: Opened) -> None:
    _, store, _, _ = opened
    running = {row.id for row in store.trials(states=[State.RUNNING])}
    assert running and set(store.expire_leases()) == running
    claims = store.claim(sorted(running), "today", 60)
    assert {claim.trial for claim in claims} == running
    assert store.release(claims, "today", "only a test") == len(running)


def test_a_database_with_todays_tables_can_be_looked_at_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "sweep.db"
    shutil.copy(FOLDER / "schema-0004.sqlite", path)
    with Store.open(str(path), readonly=True) as store:
        assert len(frames.results(store)) == len(json.loads((FOLDER / "schema-0004.json").read_text())["results"])
    assert version_of(path) == "0004"
