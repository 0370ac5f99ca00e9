"""The short form of the experiment; the long one is ``python benchmarks/chaos.py`` (its table: docs/chaos.md)."""

from __future__ import annotations

import pytest

from tests.chaos.data import make_data
from tests.chaos.experiment import experiment
from tests.chaos.network import why_not
from tests.chaos.wanted import Wanted


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_disturbed_sweep_ends_as_an_undisturbed_one(tmp_path):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    faults = ("worker", "duplicate", "link", "late", "driver", "database")
    outcome = experiment(Wanted(54, faults, seed=1, data=make_data(tmp_path / "data")), limit_s=400)
    assert not outcome.stuck
    assert outcome.faults == len(faults)
    assert (outcome.lost, outcome.duplicated, outcome.different, outcome.forged) == (0, 0, 0, 0)
    assert all(event.recovered for event in outcome.events)
