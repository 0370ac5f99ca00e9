"""A driver reads the trials in parts, and looks at no others than those it is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from results_db.store import Store
from search_space.facts import Failure
from sweep.executors.core import Finished
from sweep.planning.training_progress import TrainingLedger, TrainingProgress
from sweep.running import backlog
from sweep.running.backlog import Backlog
from tests.sweep_tests.kit import Unlucky, driver, planned


def test_sums_of_trials_that_are_expected_stay_when_they_come():
    ledger = TrainingLedger()
    ledger.expect(3, 100, 2.0)
    assert ledger.progress == TrainingProgress(0, 300, 0.0, 600.0)
    for number in range(3):
        ledger.add(number, 100, 2.0, steps=10)
    assert ledger.progress == TrainingProgress(30, 300, 60.0, 600.0)
    ledger.add(3, 100, 2.0)
    assert ledger.progress.steps_planned == 400, "one more than was expected"


def test_a_trial_that_is_done_is_forgotten_and_a_late_state_of_it_changes_nothing():
    ledger = TrainingLedger()
    ledger.add(1, 100, 2.0)
    ledger.done(1)
    ledger.put(1, 7)
    assert ledger.progress == TrainingProgress(100, 100, 200.0, 200.0)
    assert not ledger._planned and not ledger._steps


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(str(tmp_path / "s.db")) as opened:
        yield opened


class Watching(Unlucky):
    """Remembers how many trials its driver has queued."""

    def __init__(self, lose=lambda task: None) -> None:
        super().__init__(lose)
        self.queued: list[int] = []
        self.one = None

    def poll(self, timeout_s):
        self.queued.append(self.one._queue.trials)
        return super().poll(timeout_s)


def test_a_driver_holds_a_part_of_the_trials_and_does_all_of_them(store, monkeypatch):
    monkeypatch.setattr(backlog, "LEAST", 4)
    monkeypatch.setattr(backlog, "PACKS_PER_WORKER", 1)
    sweep_id, executor = planned(store, 16), Watching()
    executor.one = driver(store, sweep_id, executor)
    assert executor.one.run().done == 16
    assert max(executor.queued) <= 4 + 4 / 2
    assert [len(task.members) for task in executor.seen] == [2] * 8


def test_trials_that_are_not_to_be_worked_on_are_read_over(store, monkeypatch):
    monkeypatch.setattr(backlog, "LEAST", 3)
    sweep_id = planned(store, 12)
    wanted = [row.id for row in store.trials(sweep_id)][8:10]
    one = driver(store, sweep_id, only=frozenset(wanted))
    assert [row.id for row in Backlog(one.sweep).read(1)] == wanted[:1]
    assert one.run().done == 2 and store.counts(sweep_id).pending == 10


class Calls:
    """A store that counts the calls of each method."""

    def __init__(self, store):
        self.inner, self.names = store, list[str]()

    def __getattr__(self, name):
        self.names.append(name)
        return getattr(self.inner, name)


class Leaving(Unlucky):
    """The node of every first attempt leaves: its trials are given back."""

    def poll(self, timeout_s):
        return [Finished(end.ticket, reason="its node left") if end.lost else end for end in super().poll(timeout_s)]


@pytest.mark.parametrize("executor", [Leaving, Unlucky])
def test_a_driver_reads_no_others_than_the_trials_that_were_lost(store, executor):
    lost = executor(lambda task: Failure.WORKER_LOST if task.members[0].attempt == 1 else None)
    one = driver(store, planned(store, 12), lost)
    calls = Calls(store)
    object.__setattr__(one.sweep, "store", calls)
    assert one.run().done == 12
    assert len(store.attempts()) == 12 * 2
    assert 1 <= calls.names.count("some_trials") <= 6, "once per lost pack at most"
    assert calls.names.count("trials") == 1, "those that had failed before the start"


def test_packs_that_another_driver_took_are_dropped_many_at_a_time(store):
    sweep_id = planned(store, 16)
    one = driver(store, sweep_id)
    one._fill_queue()
    taken = [row.id for row in store.trials(sweep_id)][1:]
    store.claim(taken, "otherhost:1:1", 3600)
    calls = Calls(store)
    object.__setattr__(one.sweep, "store", calls)
    one._submit_packs()
    assert calls.names.count("claim") == 2, "one in vain, one for the trial that is left"
    assert [len(running.claims) for running in one._running.values()] == [1]
    assert not one._queue
