"""Runs on a real Ray where HOME cannot be written or the folder for temporary files has too long a path."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.sweep_tests.conftest import SWEEP

pytestmark = pytest.mark.slow
ASKED = ("run", "--space", "demo", "--limit", "1", "--recipe", "smoke", "--no-benchmark")


def run(small_data: Path, db: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH_")}
    return subprocess.run(
        [SWEEP, *ASKED, "--data-root", str(small_data), "--db", str(db)],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_home_that_cannot_be_written_keeps_no_sweep_from_training(small_data: Path, tmp_path: Path):
    # Not even root can write to /proc.
    done = run(small_data, tmp_path / "s.db", HOME="/proc")
    assert done.returncode == 0 and "1 of 1 done" in done.stderr, done.stderr


def test_a_path_of_temporary_files_that_is_too_long_is_said_with_what_to_set(small_data: Path, tmp_path: Path):
    folder = tmp_path / ("long-" * 30)
    folder.mkdir()
    done = run(small_data, tmp_path / "s.db", TMPDIR=str(folder), RAY_TMPDIR=str(folder))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "set TMPDIR=/tmp" in done.stderr.strip().splitlines()[-1]
