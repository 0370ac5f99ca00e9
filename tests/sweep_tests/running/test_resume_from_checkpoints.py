"""A real sweep, stopped in the middle of its training, goes on from the stored steps with the bits of an undisturbed
one: by SIGTERM, Ctrl-C and kill -9, through both ways of using Ray."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from tests.sweep_tests.cli.test_run import rows, wait_for
from tests.sweep_tests.conftest import GRACE_S, SWEEP, command

STEPS = 20_000
"""Some seconds of training: a pack must not end before its worker has heard of the stop."""
CONFIGS = (
    *("--space", "paper", "--scale", "2", "--where", "K == 3 and C <= 2"),
    *("--family", "eSR-MAX", "--family", "eSR-TM", "--recipe", "smoke", "--steps", str(STEPS)),
)
HOW = ("--no-benchmark", "--checkpoint-every", "0.3", "--pack-size", "2", "--name", "night", "--cpus-per-worker", "1")


def checkpoints(db: Path) -> list[tuple[int, int]]:
    """(trial, step) of every stored state; none while the driver is still making the database."""
    try:
        return rows(db, "select trial_id, step from checkpoint")
    except sqlite3.OperationalError:
        return []


@pytest.fixture(scope="module")
def undisturbed(small_data, tmp_path_factory) -> dict[str, str]:
    db = tmp_path_factory.mktemp("whole") / "s.db"
    done = command("run", *CONFIGS, *HOW, "--executor", "inline", "--data-root", str(small_data), "--db", str(db))
    assert done.returncode == 0, done.stderr
    return weights(db)


def weights(db: Path) -> dict[str, str]:
    query = "select config, sha256 from trial join artifact on trial_id = trial.id where kind = 'weights'"
    return dict(rows(db, query))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("executor", "number"), [("actors", signal.SIGTERM), ("actors", signal.SIGKILL), ("tune", signal.SIGINT)]
)
def test_a_stopped_sweep_trains_on_from_where_it_was(executor, number, small_data, undisturbed, tmp_path):
    db = tmp_path / "s.db"
    run = subprocess.Popen(
        [SWEEP, "run", *CONFIGS, *HOW, "--executor", executor, "--data-root", str(small_data), "--db", str(db)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    wait_for(lambda: checkpoints(db))
    sent = time.monotonic()
    run.send_signal(number)
    run.communicate(timeout=60)
    assert time.monotonic() - sent < GRACE_S
    assert run.returncode == (-9 if number is signal.SIGKILL else 130)
    stored = dict(checkpoints(db))
    assert stored and all(0 < step <= STEPS for step in stored.values())
    if number is not signal.SIGKILL:
        assert rows(db, "select count(*) from trial where state = 'running'") == [(0,)]
    again = command("resume", *HOW, "--executor", "inline", "--db", str(db), "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["done"] == 4
    begun = dict(rows(db, "select trial_id, json_extract(detail, '$.from_step') from attempt where number = 2"))
    assert {trial: begun[trial] for trial in stored} == stored
    assert checkpoints(db) == []
    assert weights(db) == undisturbed
