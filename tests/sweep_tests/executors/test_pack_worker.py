"""A worker stops the pack that it was told to stop, however soon it is told, and no other."""

from __future__ import annotations

import pytest

from sweep.executors import by_name
from sweep.executors.pack_worker import PackWorker
from tests.sweep_tests.kit import DATA, RECIPE
from workers.task import PackTask, TrialTask

MEMBERS = (TrialTask(1, 1, "eSR-MAX_s2_K3_C1", 0),)


@pytest.fixture
def worker() -> PackWorker:
    """As it is after ``prepare``."""
    made = PackWorker()
    made._images = by_name.worker_data(DATA).prepare()
    return made


def test_a_pack_that_is_stopped_before_it_begins_stops_after_its_first_step(worker: PackWorker) -> None:
    endless = RECIPE.with_changes(steps=10_000_000)
    worker.stop(2)
    outcomes, states = worker.run(PackTask(MEMBERS, endless.to_json(), checkpoint_every_s=0), 2)
    assert outcomes == [] and [state.trial for state in states] == [1]
    assert states[0].step < 100


def test_a_stop_that_comes_late_is_not_for_the_next_pack(worker: PackWorker) -> None:
    first, _ = worker.run(PackTask(MEMBERS, RECIPE.to_json()), 1)
    worker.stop(1)
    second, states = worker.run(PackTask(MEMBERS, RECIPE.to_json()), 2)
    assert len(first) == len(second) == 1 and states == []
