"""``benchmarks/scale.py``: a row ends before its trials do, and a driver without any says so instead of waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks._pretend import PretendCluster
from sweep.planning.open_sweep import OpenSweep
from sweep.running.driver import Driver
from tests.sweep_tests.kit import EVERY_16TH, two_seeds_of_every_16th

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sweep(tmp_path: Path):
    with two_seeds_of_every_16th(tmp_path) as opened:
        yield opened


@pytest.mark.timeout(120)
def test_a_driver_that_finds_nothing_to_start_ends_and_says_so(sweep: OpenSweep):
    Driver(sweep, PretendCluster(40, seconds_per_mac=0.0, leave_every_s=1e6)).run()
    with pytest.raises(RuntimeError, match="no trial of the sweep waits"):
        scale.drive(sweep, 4, 60.0, 0.0)


@pytest.mark.timeout(120)
def test_a_driver_stops_once_as_many_trials_are_done_as_it_was_asked_for(sweep: OpenSweep):
    found = scale.drive(sweep, 1, 1.0, 60.0, most=1)
    assert 1 <= found["done"] < 2 * len(EVERY_16TH)
    assert found["seconds"] < 30.0


def test_a_row_leaves_so_many_trials_that_all_workers_are_full():
    assert 0 < scale.most_done(100_000, 1000) + 1000 * scale.PACK < 100_000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_row_has_trials_of_its_own_however_few_they_are(tmp_path: Path):
    options = ["--engine", "sqlite", "--trials", "100", "--workers", "2", "--seconds", "8"]
    subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "scale.py"), *options],
        env={**os.environ, "EDGE_SWEEP_BENCH_OUT": str(tmp_path)},
        check=True,
        timeout=240,
    )
    rows = {row["packs"]: row for row in json.loads((tmp_path / "scale.json").read_text())["rows"]}
    assert set(rows) == {"minute", "short"}
    assert all(row["resume_s"] > 0 and row["busy_share"] > 0.9 for row in rows.values())
    assert 0 < rows["short"]["done_in_store"] < 100 and rows["minute"]["done_in_store"] == 0
