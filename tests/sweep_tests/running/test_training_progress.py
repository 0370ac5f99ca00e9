"""A run tells how many training steps it has taken, and how long the rest takes."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest
from rich.console import Console

from results_db.store import Store
from sweep.planning.training_progress import Rate, TrainingLedger, TrainingProgress
from sweep.running.events import DriverEvent, EventKind
from sweep.running.progress import Display
from tests.sweep_tests.kit import driver, planned
from tests.sweep_tests.running.test_checkpoints import AT_ONCE, LONG, Recording, stopped_at


def ledger() -> TrainingLedger:
    made = TrainingLedger()
    made.add(1, 100, 2.0)
    made.add(2, 50, 10.0, steps=5)
    return made


def test_a_step_counts_once_and_weighs_what_it_costs():
    made = ledger()
    made.put(1, 30)
    made.put(2, 10)
    assert made.progress == TrainingProgress(40, 150, 160.0, 700.0)


def test_a_failed_trial_that_begins_anew_takes_its_steps_back():
    made = ledger()
    made.put(1, 30)
    made.add(1, 100, 2.0, steps=0)
    assert made.progress == TrainingProgress(5, 150, 50.0, 700.0)


def test_members_of_a_pack_are_never_behind_the_state_they_began_from_nor_past_their_end():
    made = ledger()
    made.put_all([1, 2], 3)
    assert made.progress.steps == 3 + 5
    made.put_all([1, 2], 80)
    assert made.progress.steps == 80 + 50
    made.done(1)
    assert made.progress.share == 1.0 and made.progress.left_s(0.0) == 0.0


def test_the_time_left_goes_by_work_and_is_unknown_without_a_rate():
    assert TrainingProgress(1, 9, 100.0, 700.0).left_s(20.0) == 30.0
    assert TrainingProgress(1, 9, 100.0, 700.0).left_s(0.0) is None


def test_the_rate_is_that_of_the_last_minutes():
    rate = Rate(window_s=60)
    seen = [rate.see(float(at), 0.0 if at < 100 else 5.0 * (at - 100)) for at in range(0, 300, 10)]
    assert seen[9] == 0.0 and seen[-1] == pytest.approx(5.0)


class Telling(Recording):
    """Says half of the steps of each pack before it ends."""

    reports_progress = True

    def steps(self) -> Mapping[int, int]:
        return dict.fromkeys(range(1, len(self.tasks) + 1), LONG.steps // 2)


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "s.db")) as opened:
        yield opened


def heard(store: Store, sweep_id: int, monkeypatch: pytest.MonkeyPatch, executor=None, **settings) -> list[int]:
    monkeypatch.setattr("sweep.running.driver.PROGRESS_EVERY_S", 0.0)
    events: list[DriverEvent] = []
    driver(store, sweep_id, executor, events.append, **settings).run()
    told = [event.progress for event in events if event.kind is EventKind.PROGRESS]
    assert {progress.steps_planned for progress in told} == {6 * LONG.steps}
    return [progress.steps for progress in told]


def test_a_driver_tells_of_the_steps_of_each_finished_trial(store, monkeypatch):
    assert heard(store, planned(store, recipe=LONG), monkeypatch) == [80, 160, 240]


def test_steps_of_a_stored_state_count_from_the_start_and_are_not_counted_twice(store, monkeypatch):
    sweep_id = planned(store, recipe=LONG)
    stopped_at(store, sweep_id, 11)
    monkeypatch.setattr("sweep.running.driver.PROGRESS_EVERY_S", 0.0)
    executor, events = Recording(), list[DriverEvent]()
    made = driver(store, sweep_id, executor, events.append, checkpoint_every_s=AT_ONCE)
    executor.after = lambda states: made._report_progress()
    made.run()
    told = [event.progress.steps for event in events if event.kind is EventKind.PROGRESS]
    assert told[0] == 24 and told[-1] == 240 and told == sorted(told), "two members at 11 steps, then both at 12"


def test_steps_that_a_worker_tells_of_count_while_its_pack_runs(store, monkeypatch):
    sweep_id, executor, told = planned(store, recipe=LONG), Telling(), list[int]()
    monkeypatch.setattr("sweep.running.driver.PROGRESS_EVERY_S", 0.0)
    made = driver(store, sweep_id, executor, lambda e: told.append(e.progress.steps), checkpoint_every_s=AT_ONCE)
    made._fill_queue()
    made._submit_packs()
    told.clear()
    made._report_progress()
    assert told == [2 * LONG.steps // 2]


def test_a_log_tells_of_steps_before_the_first_trial_is_done():
    text = io.StringIO()
    with Display(3, Console(file=text, width=200), every_s=0.0) as display:
        display(DriverEvent(EventKind.PROGRESS, "", progress=TrainingProgress(0, 4000, 0.0, 4000.0)))
        display(DriverEvent(EventKind.PROGRESS, "", progress=TrainingProgress(1500, 4000, 1500.0, 4000.0)))
    last = text.getvalue().splitlines()[-1]
    assert last.startswith("0 of 3 done, 0.0/min, 1,500 of 4,000 steps, about ") and last.endswith(" left")


def test_a_bar_moves_with_the_steps():
    text = io.StringIO()
    console = Console(file=text, width=200, force_terminal=True)
    with Display(3, console) as display:
        display(DriverEvent(EventKind.PROGRESS, "", progress=TrainingProgress(1500, 4000, 1500.0, 4000.0)))
        assert display._bar.tasks[0].percentage == pytest.approx(37.5)
    assert "1,500 of 4,000 steps" in text.getvalue() and "0/3 trials" in text.getvalue()
