"""The functions as a program or a notebook calls them: quiet, from any thread, never ending the process."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import sweep
from results_db.store import Store
from search_space.errors import BadConfig, BadSpace, StoreError, SweepError
from sweep.running.launch import Launch

TINY = {"recipe": "smoke", "steps": 2, "executor": "inline", "benchmark": False, "scale": 2}


def test_a_run_prints_nothing(small_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = sweep.run("eSR-MAX", tmp_path / "s.db", limit=1, data_root=small_data, **TINY)
    assert report.done == 1
    assert capfd.readouterr() == ("", "")


def test_an_open_store_is_used_and_left_open(small_data: Path, tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        sweep.run(sweep.load_space("eSR-MAX"), store, limit=2, seeds=2, data_root=small_data, **TINY)
        assert store.counts().done == 4
        assert list(sweep.results(store)["seed"]) == [0, 0, 1, 1]
        assert store.counts().planned == 4


def test_resume_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist: run a sweep first"):
        sweep.resume(tmp_path / "nothing.db", executor="inline")
    assert list(tmp_path.iterdir()) == []


def test_a_run_works_outside_the_main_thread(small_data: Path, tmp_path: Path) -> None:
    reports = []

    def work() -> None:
        reports.append(sweep.run("eSR-MAX", tmp_path / "s.db", limit=1, data_root=small_data, **TINY))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [report.done for report in reports] == [1]


TWICE = """
import signal, sys
from rich.console import Console
from sweep.running import signals
signals.CLEAN_STOP_S = 0.2
class Driver:
    stops = 0
    def stop(self): Driver.stops += 1
try:
    with signals.stop_on_signal(Console(stderr=True)) as stop:
        stop.stops(Driver())
        signal.raise_signal(signal.SIGINT)
        import time; time.sleep(1)
        print("alive", Driver.stops)
        signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


def test_ctrl_c_in_a_program_never_ends_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["alive", "1", "interrupted"], done.stderr


def test_an_interrupted_run_returns_its_report_and_resume_goes_on(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sweep.executors.inline import InlineExecutor

    poll = InlineExecutor.poll

    def poll_and_interrupt(self: InlineExecutor, timeout_s: float) -> object:
        ended = poll(self, timeout_s)
        signal.raise_signal(signal.SIGINT)
        return ended

    monkeypatch.setattr(InlineExecutor, "poll", poll_and_interrupt)
    report = sweep.run("eSR-MAX", tmp_path / "s.db", limit=3, pack_size=1, data_root=small_data, **TINY)
    assert report.interrupted and report.done == 1
    monkeypatch.setattr(InlineExecutor, "poll", poll)
    report = sweep.resume(tmp_path / "s.db", executor="inline", benchmark=False)
    assert not report.interrupted and report.done == 2


def test_errors_are_of_the_small_family(tmp_path: Path) -> None:
    with pytest.raises(BadSpace, match="unknown space"):
        sweep.run("nowhere", tmp_path / "s.db")
    with pytest.raises(BadConfig):
        sweep.benchmark("nothing_s2", tmp_path / "s.db")
    with pytest.raises(SweepError, match="there is no chart"):
        sweep.plot("pie", make_empty(tmp_path / "empty.db"))
    assert not (tmp_path / "s.db").exists(), "nothing is made for a call that is refused"
    with pytest.raises(StoreError):
        sweep.results(tmp_path / "s.db")


def make_empty(path: Path) -> Path:
    Store.open(path).close()
    return path


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"pack_size": 0}, "pack_size must be at least 1, not 0"),
        ({"max_attempts": 0}, "max_attempts must be at least 1"),
        ({"cpus": 0.0}, "cpus must be at least 0.1"),
        ({"timeout": -1.0}, "timeout must not be negative"),
    ],
)
def test_a_launch_refuses_values_that_cannot_be(values: dict[str, float], reason: str) -> None:
    with pytest.raises(SweepError, match=reason):
        Launch(**values)  # type: ignore[arg-type]


def test_reading_changes_nothing(small_data: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.db"
    sweep.run("eSR-MAX", db, limit=3, data_root=small_data, **TINY)
    with sqlite3.connect(db) as connection:
        before = list(connection.iterdump())
    rows = sweep.frontier(db, scale=2, x="parameters")
    assert list(rows["parameters"]) == sorted(rows["parameters"])
    sweep.plot("pareto", db, x="parameters")
    with pytest.raises(SweepError, match="no speed was measured yet"):
        sweep.best(db, scale=2)
    with sqlite3.connect(db) as connection:
        assert list(connection.iterdump()) == before
