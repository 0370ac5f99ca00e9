"""Ctrl-C ends within ten seconds, with the status and the words it always has, whatever else does not answer."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.sweep_tests.cli.test_run import rows, some, wait_for
from tests.sweep_tests.conftest import SWEEP, command


def started(small_data: Path, db: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(SWEEP, "run", "--space", "demo", "--recipe", "smoke", "--steps", "1000000"),
            *("--family", "eSR-MAX", "--limit", "2"),
            *("--executor", "inline", "--no-benchmark", "--name", "night", "--db", str(db)),
            *("--data-root", str(small_data), *more),
        ],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "COLUMNS": "80"},
    )


@pytest.mark.slow
def test_ctrl_c_ends_soon_while_the_database_is_locked(small_data, tmp_path):
    db = tmp_path / "s.db"
    run = started(small_data, db)
    wait_for(lambda: some(db, "running"))
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        run.send_signal(signal.SIGINT)
        _, told = run.communicate(timeout=60)
        assert time.monotonic() - began < 10
    assert run.returncode == 130, told
    assert "Traceback" not in told
    line = next(line for line in told.splitlines() if line.startswith("go on with: "))
    # The command that was printed does go on; it would take hours, so it is stopped in its turn.
    words = shlex.split(line.removeprefix("go on with: "))
    assert words[:4] == ["sweep", "resume", "--name", "night"] and "--no-benchmark" in words
    again = subprocess.Popen([SWEEP, *words[1:]], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: rows(db, "select count(*) from attempt where number = 2")[0][0] > 0)
    again.send_signal(signal.SIGINT)
    assert "go on with: " in again.communicate(timeout=60)[1] and again.returncode == 130


@pytest.mark.slow
def test_ctrl_c_ends_soon_while_the_driver_waits_for_a_locked_database(small_data, tmp_path):
    db = tmp_path / "s.db"
    run = started(small_data, db, "--steps", "2000", "--pack-size", "1")
    wait_for(lambda: some(db, "running"))
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(12)
        began = time.monotonic()
        run.send_signal(signal.SIGINT)
        _, told = run.communicate(timeout=60)
        assert time.monotonic() - began < 10
    assert run.returncode == 130 and "go on with: sweep resume --name night" in told


STUCK = """
import signal, sys, time
from rich.console import Console
from sweep.running import signals
signals.CLEAN_STOP_S = 1.0
class Driver:
    def stop(self): pass
with signals.stop_on_signal(Console(stderr=True), lambda: print("go on with: this", file=sys.stderr)) as stop:
    stop.stops(Driver())
    signal.raise_signal(signal.SIGINT)
    time.sleep(60)
"""


def test_a_stop_that_hangs_is_ended_with_the_same_words_and_status():
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130 and "go on with: this" in done.stderr
    assert time.monotonic() - began < 40


STUCK_OUTSIDE_PYTHON = """
import ctypes, os, signal, sys, threading, time
from rich.console import Console
from sweep.running import signals
signals.CLEAN_STOP_S = 1.0
libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
class Driver:
    def stop(self): print("never called", file=sys.stderr)
with signals.stop_on_signal(Console(stderr=True), lambda: print("go on with: this", file=sys.stderr)) as stop:
    stop.stops(Driver())
    for after, name in enumerate(sys.argv[1:]):
        threading.Timer(0.5 + 0.4 * after, os.kill, (os.getpid(), getattr(signal, name))).start()
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)
"""


@pytest.mark.parametrize(("sent", "words"), [(["SIGINT"], "go on with: this\n"), (["SIGINT", "SIGINT"], "")])
def test_a_call_that_never_returns_to_python_keeps_nobody_from_stopping(sent: list[str], words: str):
    done = subprocess.run(
        [sys.executable, "-c", STUCK_OUTSIDE_PYTHON, *sent], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (130, words)


SENT_TWICE = """
import signal, sys, time
from rich.console import Console
from sweep.running import signals
class Driver:
    def stop(self): print("told", file=sys.stderr)
with signals.stop_on_signal(Console(stderr=True), lambda: None) as stop:
    stop.stops(Driver())
    for name in sys.argv[1:]:
        if name == "then":
            time.sleep(0.4)
        else:
            signal.raise_signal(getattr(signal, name))
    print("stopped cleanly", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("sent", "cleanly"),
    [
        (["SIGTERM", "SIGTERM"], True),
        (["SIGTERM", "SIGINT"], True),
        (["SIGTERM", "then", "SIGINT"], True),
        (["SIGINT", "SIGINT"], True),
        (["SIGINT", "then", "SIGINT"], False),
    ],
)
def test_one_signal_may_come_twice_at_once_two_times_ctrl_c_leave(sent: list[str], cleanly: bool):
    done = subprocess.run([sys.executable, "-c", SENT_TWICE, *sent], capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0, "stopped cleanly" in done.stderr) == (cleanly, cleanly), done.stderr
    assert done.stderr.count("told") == 1


def test_the_summary_of_a_plain_run_names_no_resume(small_data, tmp_path):
    asked = ("run", "--space", "demo", "--recipe", "smoke", "--steps", "2", "--limit", "1", "--executor", "inline")
    done = command(*asked, "--no-benchmark", "--data-root", str(small_data), "--db", str(tmp_path / "s.db"), "--json")
    assert done.returncode == 0 and "resume" not in done.stdout
