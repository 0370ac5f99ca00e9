"""Whole sweeps on a real local Ray cluster: run again is a resume, and kill -9 loses nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from results_db.store import Store
from sweep.running.lease_owner import is_dead
from tests.sweep_tests.conftest import SWEEP, command

RUN = ("run", "--space", "demo", "--recipe", "smoke", "--no-benchmark")


def counts(db: Path) -> dict[str, int]:
    done = command("status", "--db", str(db), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rows(db: Path, query: str) -> list[tuple]:
    with sqlite3.connect(db) as connection:
        return connection.execute(query).fetchall()


def wait_for(condition, seconds: float = 200.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.2)


def some(db: Path, state: str, count: int = 1) -> bool:
    """Whether at least ``count`` trials are in ``state``; False while the driver is still making the database."""
    if not db.exists():
        return False
    try:
        return rows(db, f"select count(*) from trial where state = '{state}'")[0][0] >= count
    except sqlite3.OperationalError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["actors", "tune", "inline"])
def test_a_sweep_ends_with_every_config_done_and_again_does_nothing(executor, small_data, tmp_path):
    db = tmp_path / "s.db"
    asked = (*RUN, "--executor", executor, "--data-root", str(small_data), "--db", str(db), "--limit", "5", "--json")
    first = command(*asked)
    assert first.returncode == 0, first.stderr
    summary = json.loads(first.stdout)
    assert (summary["planned"], summary["done"], summary["failed"]) == (5, 5, 0)
    again = command(*asked)
    assert json.loads(again.stdout)["seconds"] == 0
    assert rows(db, "select count(*) from attempt")[0][0] == 5


@pytest.mark.slow
def test_after_kill_9_the_database_alone_is_enough_to_go_on_elsewhere(small_data, tmp_path):
    db = tmp_path / "lost" / "s.db"
    db.parent.mkdir()
    asked = (
        *RUN,
        "--steps",
        "300",
        "--pack-size",
        "1",
        "--data-root",
        str(small_data),
        "--db",
        str(db),
        "--limit",
        "12",
    )
    driver = subprocess.Popen(
        [SWEEP, *asked], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    wait_for(lambda: some(db, "done", 2))
    family = psutil.Process(driver.pid).children(recursive=True)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    before = rows(db, "select count(*) from trial where state = 'done'")[0][0]
    assert 2 <= before < 12
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with sqlite3.connect(db) as here, sqlite3.connect(elsewhere / "copy.db") as there:
        here.backup(there)
    shutil.copytree(small_data, elsewhere / "images")
    shutil.rmtree(db.parent)
    db = elsewhere / "copy.db"
    done = command("resume", "--db", "copy.db", "--data-root", "images", "--no-benchmark", "--json", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == 12
    twice = "select trial_id from attempt where outcome = 'done' group by trial_id having count(*) > 1"
    assert rows(db, twice) == []
    assert rows(db, "select count(distinct config) from trial where state = 'done'")[0][0] == 12


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_trials_run_again(small_data, tmp_path):
    db = tmp_path / "s.db"
    asked = (
        *RUN,
        "--steps",
        "400",
        "--pack-size",
        "1",
        "--data-root",
        str(small_data),
        "--db",
        str(db),
        "--limit",
        "8",
        "--json",
    )
    driver = subprocess.Popen([SWEEP, *asked], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    wait_for(lambda: some(db, "running"))
    workers = [p for p in psutil.Process(driver.pid).children(recursive=True) if "PackWorker" in " ".join(p.cmdline())]
    assert workers
    os.kill(workers[0].pid, signal.SIGKILL)
    out, _ = driver.communicate(timeout=200)
    assert driver.returncode == 0 and json.loads(out)["done"] == 8


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_within_ten_seconds_and_says_how_to_go_on(small_data, tmp_path):
    db = tmp_path / "s.db"
    asked = (
        *RUN,
        "--steps",
        "3000",
        "--pack-size",
        "1",
        "--data-root",
        str(small_data),
        "--db",
        str(db),
        "--limit",
        "12",
    )
    driver = subprocess.Popen([SWEEP, *asked], stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: some(db, "running"))
    asked_at = time.monotonic()
    driver.send_signal(signal.SIGINT)
    _, told = driver.communicate(timeout=60)
    assert time.monotonic() - asked_at < 10
    assert driver.returncode == 130 and "sweep resume" in told
    assert counts(db)["running"] == 0


@pytest.mark.slow
def test_a_second_ctrl_c_leaves_at_once_and_the_next_driver_takes_over(small_data, tmp_path):
    db = tmp_path / "s.db"
    asked = (*RUN, "--steps", "3000", "--pack-size", "1", "--data-root", str(small_data), "--db", str(db))
    driver = subprocess.Popen(
        [SWEEP, *asked, "--limit", "12"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for(lambda: some(db, "running"))
    assert driver.stderr is not None
    driver.send_signal(signal.SIGINT)
    assert any("once more stops at once" in line for line in driver.stderr)
    driver.send_signal(signal.SIGINT)
    driver.wait(timeout=60)
    assert driver.returncode == 130 and "go on with" not in driver.stderr.read()
    with Store.open(f"sqlite:///{db}") as store:
        assert all(is_dead(row.owner) for row in store.trials() if row.owner)


def test_a_dry_run_plans_and_makes_no_database(small_data, tmp_path):
    db = tmp_path / "s.db"
    done = command(*RUN, "--data-root", str(small_data), "--db", str(db), "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["planned"] == 30 and plan["done"] == 0 and len(plan["ids"]) == 30
    assert not db.exists()


def test_a_request_the_cluster_cannot_satisfy_is_refused_at_once(small_data, tmp_path):
    done = command(*RUN, "--data-root", str(small_data), "--db", str(tmp_path / "s.db"), "--gpus-per-worker", "64")
    assert done.returncode == 2
    assert "a worker asks for 64 GPUs but the cluster has 0" in done.stderr


def test_an_address_where_no_cluster_is_gives_one_clear_line(small_data, tmp_path):
    done = command(*RUN, "--data-root", str(small_data), "--db", str(tmp_path / "s.db"), "--address", "127.0.0.1:1")
    assert done.returncode == 2
    assert "the Ray cluster at 127.0.0.1:1 cannot be used" in done.stderr and "Traceback" not in done.stderr
