"""A stop costs nothing: the state of trials in training is stored, and the next attempt goes on from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from results_db.store import Store
from search_space.facts import Checkpoint, Failure
from sweep.executors import by_name
from sweep.executors.inline import InlineExecutor
from sweep.running.driver import Driver
from tests.sweep_tests.kit import DATA, RECIPE, driver, planned
from workers.task import PackTask

LONG = RECIPE.with_changes(name="long", steps=40)
AT_ONCE = 1e-9
"""Seconds between two checkpoints: one after every step."""


class Recording(InlineExecutor):
    """The inline executor, with what it was given; ``after`` is called with each hand-out of states."""

    def __init__(self, after: Callable[[Sequence[Checkpoint]], None] = lambda states: None) -> None:
        super().__init__(by_name.worker_data(DATA))
        self.after = after
        self.tasks: list[PackTask] = []

    def submit(self, task: PackTask, timeout_s: float) -> int:
        self.tasks.append(task)
        return super().submit(task, timeout_s)

    def connect(self, stopping: Callable[[], bool], save: Callable[[Sequence[Checkpoint]], None]) -> None:
        def save_and_tell(states: Sequence[Checkpoint]) -> None:
            save(states)
            self.after(states)

        super().connect(stopping, save_and_tell)


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "s.db")) as opened:
        yield opened


def weights(store: Store) -> dict[str, str]:
    return {row.key.config: store.artifact(row.id).sha256 for row in store.trials()}


def stopped_at(store: Store, sweep_id: int, step: int, **settings: object) -> tuple[Driver, Recording]:
    """A driver that was stopped when its first pack had taken ``step`` steps."""
    executor = Recording()
    made = driver(store, sweep_id, executor, checkpoint_every_s=AT_ONCE, **settings)

    def stop(states: Sequence[Checkpoint]) -> None:
        if states and states[0].step >= step:
            made.stop()

    executor.after = stop
    assert made.run().interrupted
    return made, executor


@pytest.fixture
def undisturbed(tmp_path_factory) -> dict[str, str]:
    with Store.open(str(tmp_path_factory.mktemp("whole") / "s.db")) as store:
        driver(store, planned(store, recipe=LONG)).run()
        return weights(store)


@pytest.mark.parametrize("pack_size", [1, 2])
def test_a_stopped_sweep_goes_on_from_its_last_step_and_ends_bit_for_bit_alike(store, undisturbed, pack_size):
    sweep_id = planned(store, recipe=LONG)
    stopped_at(store, sweep_id, 11, pack_size=pack_size)
    assert store.counts(sweep_id).pending == 6
    begun = store.checkpoint_steps([row.id for row in store.trials()])
    assert set(begun.values()) == {11} and len(begun) == pack_size
    executor = Recording()
    assert driver(store, sweep_id, executor, pack_size=pack_size).run().done == 6
    resumed = {m.trial for task in executor.tasks for m in task.members if m.checkpoint is not None}
    assert resumed == set(begun)
    assert weights(store) == undisturbed


def test_members_of_a_stopped_pack_go_on_in_other_packs(store, undisturbed):
    sweep_id = planned(store, recipe=LONG)
    stopped_at(store, sweep_id, 11, pack_size=6)
    driver(store, sweep_id, pack_size=2).run()
    assert weights(store) == undisturbed


def test_a_driver_that_was_killed_loses_only_what_came_after_the_last_checkpoint(store, undisturbed):
    class Killed(BaseException):
        pass

    def kill(states: Sequence[Checkpoint]) -> None:
        if states[0].step >= 20:
            raise Killed

    sweep_id = planned(store, recipe=LONG)
    killed = driver(store, sweep_id, Recording(kill), checkpoint_every_s=AT_ONCE)
    with pytest.raises(Killed):
        killed.run()
    executor = Recording()
    assert driver(store, sweep_id, executor).run().done == 6
    assert store.checkpoint_steps([row.id for row in store.trials()]) == {}
    assert weights(store) == undisturbed


def test_nothing_is_stored_between_stops_where_the_time_between_checkpoints_is_zero(store):
    sweep_id = planned(store, recipe=LONG)
    executor = Recording()
    seen: list[Checkpoint] = []
    executor.after = seen.extend
    driver(store, sweep_id, executor, checkpoint_every_s=0.0).run()
    assert seen == []


def test_a_stop_between_training_and_measuring_repeats_no_step(store, undisturbed, monkeypatch):
    from workers import task

    sweep_id = planned(store, recipe=LONG)
    executor = Recording()
    stopping = driver(store, sweep_id, executor, pack_size=6)
    measured = task._measure

    def measure_and_stop(*args):
        stopping.stop()
        return measured(*args)

    monkeypatch.setattr(task, "_measure", measure_and_stop)
    report = stopping.run()
    assert (report.interrupted, report.done) == (True, 1)
    states = store.checkpoint_steps([row.id for row in store.trials()])
    assert sorted(states.values()) == [LONG.steps]
    monkeypatch.undo()
    assert driver(store, sweep_id).run().done == 5
    assert weights(store) == undisturbed


def test_the_end_of_a_training_is_stored_before_it_is_measured(store, monkeypatch):
    from workers import checkpointing, task

    sweep_id = planned(store, recipe=LONG)
    kept: list[dict[int, int]] = []
    measured = task._measure

    def look_and_measure(*args):
        kept.append(store.checkpoint_steps([row.id for row in store.trials()]))
        return measured(*args)

    monkeypatch.setattr(checkpointing, "TRAINED_S", 0.0)
    monkeypatch.setattr(task, "_measure", look_and_measure)
    driver(store, sweep_id, pack_size=6).run()
    assert set(kept[0].values()) == {LONG.steps}


def test_a_damaged_checkpoint_costs_an_attempt_and_the_trial_begins_anew(store, undisturbed):
    sweep_id = planned(store, recipe=LONG)
    stopped_at(store, sweep_id, 11, pack_size=6)
    trial = store.trials()[0]
    claim = store.claim([trial.id], "someone", 60)[0]
    store.save_checkpoints([Checkpoint(claim.trial, claim.attempt, 12, b"not a checkpoint")])
    store.release([claim], "someone")
    assert driver(store, sweep_id).run().done == 6
    assert [a.failure for a in store.attempts(trial.id) if a.outcome == "failed"] == [Failure.BUG]


def test_a_store_that_cannot_take_a_state_does_not_stop_the_training(store, monkeypatch):
    from search_space.errors import StoreError

    def full(states: Sequence[Checkpoint]) -> None:
        raise StoreError("disk full")

    sweep_id = planned(store, recipe=LONG)
    monkeypatch.setattr(store, "save_checkpoints", full)
    assert driver(store, sweep_id, checkpoint_every_s=AT_ONCE).run().done == 6
