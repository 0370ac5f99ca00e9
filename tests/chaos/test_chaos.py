"""The short form of the experiment; the long one is ``python benchmarks/chaos.py`` (its table: docs/chaos.md)."""

from __future__ import annotations

import pytest

from tests.chaos.data import make_data
from tests.chaos.experiment import experiment
from tests.chaos.network import why_not
from tests.chaos.wanted import Wanted


def judge(faults: tuple[str, ...], wanted: Wanted, limit_s: float) -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    outcome = experiment(wanted, limit_s=limit_s)
    assert not outcome.stuck
    assert outcome.faults == len(faults)
    assert (outcome.lost, outcome.duplicated, outcome.different, outcome.forged) == (0, 0, 0, 0)
    assert all(event.recovered for event in outcome.events)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_whose_worker_and_driver_are_killed_ends_as_an_undisturbed_one(tmp_path):
    faults = ("worker", "duplicate", "driver", "late")
    judge(faults, Wanted(27, faults, seed=1, data=make_data(tmp_path / "data"), steps=100, timeout_s=60), 700)


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_disturbed_sweep_ends_as_an_undisturbed_one(tmp_path):
    faults = ("worker", "duplicate", "link", "late", "driver", "database")
    judge(faults, Wanted(54, faults, seed=1, data=make_data(tmp_path / "data")), 700)
