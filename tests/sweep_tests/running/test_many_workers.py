"""Forty workers on ten nodes that come and go, with the real driver and store; only training is pretended."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks._pretend import PretendCluster
from sweep.planning.open_sweep import OpenSweep
from sweep.running import backlog
from sweep.running.driver import Driver, DriverSettings
from tests.sweep_tests.kit import EVERY_16TH, two_seeds_of_every_16th


@pytest.fixture
def sweep(tmp_path: Path):
    with two_seeds_of_every_16th(tmp_path) as opened:
        yield opened


def test_no_trial_is_lost_or_done_twice_while_nodes_come_and_go(sweep: OpenSweep, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backlog, "LEAST", 100)
    monkeypatch.setattr(backlog, "PACKS_PER_WORKER", 1)
    cluster = PretendCluster(40, seconds_per_mac=2e-11, leave_every_s=0.1, away_s=0.2)
    report = Driver(sweep, cluster, DriverSettings(pack_size=4)).run()
    trials, attempts = 2 * len(EVERY_16TH), sweep.store.attempts()
    assert sweep.only is None, "the plan is all of the sweep"
    assert report.done == sweep.store.counts().done == trials
    assert sum(attempt.outcome == "done" for attempt in attempts) == trials
    assert cluster.lost_packs > 0 and report.lost_packs == cluster.lost_packs
    assert {attempt.outcome for attempt in attempts} == {"done", "released"}
    assert cluster.checkpoints >= trials
