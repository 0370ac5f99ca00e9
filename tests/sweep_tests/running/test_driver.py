"""The driver: nothing lost, nothing twice, whatever happens to workers, other drivers and the store."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest

from results_db.store import Store
from search_space.errors import StoreError
from search_space.facts import Failure
from sweep.planning.packs import DEFAULT_PACK_SIZE
from sweep.running.events import EventKind
from sweep.running.lease_owner import this_machine, this_owner
from tests.sweep_tests.kit import Unlucky, driver, planned


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "s.db")) as opened:
        yield opened


def test_every_trial_ends_with_one_attempt_and_its_weights(store):
    sweep_id = planned(store)
    report = driver(store, sweep_id).run()
    assert (report.done, report.failed, store.counts(sweep_id).done) == (6, 0, 6)
    assert Counter(a.number for a in store.attempts()) == {1: 6}
    assert all(store.artifact(row.id) for row in store.trials(sweep_id))


def test_a_second_driver_finds_nothing_to_do(store):
    sweep_id = planned(store)
    driver(store, sweep_id).run()
    assert driver(store, sweep_id).run().done == 0
    assert len(store.attempts()) == 6


def test_the_packs_of_a_lost_worker_run_again_and_the_loss_is_on_record(store):
    sweep_id = planned(store)
    executor = Unlucky(lambda task: Failure.WORKER_LOST if task.members[0].attempt == 1 else None)
    report = driver(store, sweep_id, executor).run()
    assert (report.done, report.lost_packs, store.counts(sweep_id).done) == (6, 3, 6)
    assert Counter((a.outcome, a.failure) for a in store.attempts()) == {
        ("failed", Failure.WORKER_LOST): 6,
        ("done", None): 6,
    }


def test_one_member_that_kills_every_worker_does_not_take_its_pack_with_it(store):
    sweep_id = planned(store)
    killer = store.trials(sweep_id)[0].id
    executor = Unlucky(lambda t: Failure.WORKER_LOST if killer in [m.trial for m in t.members] else None)
    report = driver(store, sweep_id, executor, max_attempts=4).run()
    assert (report.done, report.failed) == (5, 1)
    assert [a.trial for a in store.failures(sweep_id)] == [killer]


def test_a_timeout_is_retried_alone(store):
    sweep_id = planned(store)
    executor = Unlucky(lambda task: Failure.TIMEOUT if len(task.members) > 1 else None)
    assert driver(store, sweep_id, executor).run().done == 6
    assert {len(task.members) for task in executor.seen} == {1, 2}


def test_attempts_given_back_or_cut_short_do_not_count_against_a_trial(store):
    sweep_id = planned(store)
    ids = [row.id for row in store.missing(sweep_id)]
    for _ in range(5):
        claims = store.claim(ids, "someone", 60)
        store.release(claims, "someone")
    executor = Unlucky(lambda task: Failure.WORKER_LOST if task.members[0].attempt == 6 else None)
    assert driver(store, sweep_id, executor, max_attempts=3).run().done == 6


def test_a_failure_that_may_not_be_retried_stays_failed_and_ends_the_sweep(store):
    sweep_id = planned(store)
    report = driver(store, sweep_id, Unlucky(lambda task: Failure.BAD_DATA)).run()
    assert (report.done, report.failed, store.counts(sweep_id).failed) == (0, 6, 6)


def test_a_dead_driver_of_this_host_is_taken_over_without_waiting_for_its_lease(store):
    sweep_id = planned(store)
    store.claim([row.id for row in store.missing(sweep_id)], f"{this_machine()}:4194999:1", 3600)
    began = time.monotonic()
    assert driver(store, sweep_id).run().done == 6
    assert time.monotonic() - began < 60


def test_trials_of_a_living_driver_are_waited_for_not_taken(store):
    sweep_id = planned(store)
    claims = store.claim([row.id for row in store.missing(sweep_id)][:2], "otherhost:1:1", 3)
    report = driver(store, sweep_id).run()
    assert report.done == 6
    ends = {a.trial: a.number for a in store.attempts() if a.outcome == "done"}
    assert {ends[c.trial] for c in claims} == {2} and sorted(ends.values()) == [1, 1, 1, 1, 2, 2]


def test_two_drivers_share_a_sweep_and_no_trial_is_done_twice(tmp_path):
    url = str(tmp_path / "s.db")
    with Store.open(url) as store:
        sweep_id = planned(store, 12)

    def work(name: str, reports: list) -> None:
        with Store.open(url) as mine:
            one = driver(mine, sweep_id)
            one.owner = f"{name}:1:1"
            reports.append(one.run())

    reports: list = []
    threads = [threading.Thread(target=work, args=(name, reports)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert sum(report.done for report in reports) == 12
    with Store.open(url) as store:
        assert Counter(a.outcome for a in store.attempts()) == {"done": 12}


def test_a_locked_store_is_waited_for_and_no_result_is_lost(tmp_path):
    url = str(tmp_path / "s.db")
    told: list[str] = []
    with Store.open(url, busy_timeout_s=0.1) as store:
        sweep_id = planned(store)
        other = sqlite3.connect(url, isolation_level=None, check_same_thread=False)
        timer = threading.Timer(3.0, lambda: other.execute("ROLLBACK"))

        def listen(notice):
            if notice.kind is EventKind.STARTED and not timer.is_alive() and not told:
                other.execute("BEGIN EXCLUSIVE")
                timer.start()
            if notice.kind is EventKind.WAITING:
                told.append(notice.text)

        report = driver(store, sweep_id, listener=listen).run()
        assert (report.done, store.counts(sweep_id).done) == (6, 6)
        assert Counter(a.outcome for a in store.attempts()) == {"done": 6}
    with contextlib.closing(other):
        assert told and "locked" in told[0]


def test_stopping_leaves_a_pack_between_two_steps_and_gives_its_trials_back(store):
    from tests.sweep_tests.kit import RECIPE

    sweep_id = planned(store, recipe=RECIPE.with_changes(steps=1_000_000))
    one = driver(store, sweep_id)
    timer = threading.Timer(1.0, lambda: setattr(one, "stopping", True))
    timer.start()
    began = time.monotonic()
    report = one.run()
    assert report.interrupted and time.monotonic() - began < 10
    counts = store.counts(sweep_id)
    assert (counts.running, counts.pending, counts.done) == (0, 6, 0)


def test_leases_are_renewed_while_the_driver_trains_in_its_own_process(store):
    from tests.sweep_tests.kit import RECIPE

    sweep_id = planned(store, 2, recipe=RECIPE.with_changes(steps=400))
    one = driver(store, sweep_id, lease_s=0.4)
    assert one.run().done == 2
    assert not [event for event in store.events() if event.kind in ("expired", "fenced")]


def stop_after_the_first_loss(store, sweep_id, failure):
    """A driver whose every pack fails, stopped before anything is tried again."""
    one = driver(store, sweep_id, Unlucky(lambda task: failure))

    def listen(notice):
        one.stopping = one.stopping or notice.kind is EventKind.AGAIN

    one.listener = listen
    assert one.run().interrupted


@pytest.mark.parametrize(("failure", "scale"), [(Failure.OOM, 1.0), (Failure.DIVERGENCE, 0.3)])
def test_how_a_trial_is_tried_again_is_known_to_the_next_driver(store, failure, scale):
    sweep_id = planned(store, 2)
    stop_after_the_first_loss(store, sweep_id, failure)
    assert [row.state for row in store.missing(sweep_id)] == ["pending", "pending"]
    executor = Unlucky(lambda task: None)
    assert driver(store, sweep_id, executor).run().done == 2
    assert [[m.lr_scale for m in task.members] for task in executor.seen] == [[scale], [scale]]


@pytest.mark.parametrize(("failure", "plain"), [(Failure.OOM, False), (Failure.TIMEOUT, True)])
def test_the_reference_trains_what_a_faster_engine_may_have_failed(store, failure, plain):
    executor = Unlucky(lambda task: failure if len(task.members) > 1 else None)
    assert driver(store, planned(store, 8), executor).run().failed == 0
    again = [task.members for task in executor.seen if task.members[0].attempt == 2]
    assert again and all([member.plain for member in members] == [plain] for members in again)


class Wide(Unlucky):
    """Two slots; knows whether the newest pack has another one beside it."""

    beside = False

    def running(self):
        return len(self.lost) + 1 - self.inner.free()

    def free(self):
        return 2 - self.running()

    def submit(self, task, timeout_s):
        self.beside = self.running() > 0
        return super().submit(task, timeout_s)


def test_a_trial_that_ran_out_of_memory_alone_runs_while_nothing_else_does(store):
    sweep_id = planned(store, 4)
    hungry = store.trials(sweep_id)[0].id

    def lose(task):
        of_it = hungry in [member.trial for member in task.members]
        return Failure.OOM if of_it and (executor.beside or task.members[0].attempt < 3) else None

    executor = Wide(lose)
    assert driver(store, sweep_id, executor).run().done == 4
    last = store.attempts(hungry)[-1]
    assert (last.number, last.outcome) == (3, "done")
    assert last.detail == {"lr_scale": 1.0, "pack": 1, "solo": True}


class Faltering:
    """A store that fails the first time each of its methods is called."""

    def __init__(self, store):
        self.inner, self.failed = store, set()

    def __getattr__(self, name):
        found = getattr(self.inner, name)
        if not callable(found):
            return found

        def once(*arguments, **more):
            if name not in self.failed:
                self.failed.add(name)
                raise StoreError(f"{name} did not answer")
            return found(*arguments, **more)

        return once


def test_no_call_of_the_store_that_fails_once_ends_the_driver(store):
    sweep_id = planned(store)
    store.claim([store.trials(sweep_id)[-1].id], f"{this_owner().rsplit(':', 2)[0]}:4194999:1", 3600)
    store.claim([store.trials(sweep_id)[-2].id], "otherhost:1:1", 2)
    told: list[str] = []
    executor = Unlucky(lambda task: Failure.TIMEOUT if task.members[0].attempt == 1 else None)
    one = driver(
        store, sweep_id, executor, listener=lambda n: told.append(n.text) if n.kind is EventKind.WAITING else None
    )
    one.sweep = replace(one.sweep, store=Faltering(store))
    assert one.run().done == 6
    assert one.store.failed == {
        "expire_leases",
        "owners",
        "trials",
        "groups",
        "page",
        "some_trials",
        "release",
        "claim",
        "record",
        "failed_attempts",
        "checkpoint_steps",
        "retry",
    }
    assert {text.split()[0] for text in told} == one.store.failed


class Repeating:
    """A store whose connection drops after the first commit of a result, so that the write is done again."""

    def __init__(self, store):
        self.inner, self.times = store, 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def record(self, outcomes):
        self.times += 1
        if self.times == 1:
            self.inner.record(outcomes)
        return self.inner.record(outcomes)


def test_a_failure_written_just_before_the_connection_dropped_is_tried_again_in_this_run(store):
    sweep_id = planned(store, 2)
    executor = Unlucky(lambda task: Failure.TIMEOUT if task.members[0].attempt == 1 else None)
    one = driver(store, sweep_id, executor)
    one.sweep = replace(one.sweep, store=Repeating(store))
    report = one.run()
    assert (report.done, report.fenced, store.counts(sweep_id).done) == (2, 0, 2)


def test_a_result_written_just_before_the_connection_dropped_is_counted_as_done(store):
    sweep_id = planned(store, 2)
    one = driver(store, sweep_id)
    one.sweep = replace(one.sweep, store=Repeating(store))
    report = one.run()
    assert (report.done, report.fenced) == (2, 0)


def test_a_pack_that_is_heard_of_has_no_time_limit_but_the_users(store):
    sweep_id = planned(store, 4)
    heard, deaf, limited = (Unlucky(lambda task: None, reports_progress=reports) for reports in (True, False, True))
    assert driver(store, sweep_id, heard, only=frozenset({1})).run().done == 1
    assert driver(store, sweep_id, deaf, only=frozenset({2})).run().done == 1
    assert driver(store, sweep_id, limited, timeout_s=77.0).run().done == 2
    assert (heard.timeouts, deaf.timeouts) == ([math.inf], [6 * 3600])
    assert set(limited.timeouts) == {77.0}


@pytest.mark.parametrize(
    ("device", "slots", "size", "sizes"),
    [
        ("cpu", 1, None, [2, 2, 2]),
        ("cuda", 1, None, [6]),
        ("cuda", 2, None, [3, 3]),
        ("cuda", 1, DEFAULT_PACK_SIZE, [2, 2, 2]),
    ],
)
def test_packs_for_gpus_are_as_large_as_all_workers_together_allow(device, slots, size, sizes, store, monkeypatch):
    executor = Unlucky(lambda task: None)
    monkeypatch.setattr(executor, "slots", lambda: slots)  # two on one card with --gpus-per-worker 0.5
    made = driver(store, planned(store), executor, device=device, pack_size=size)
    made._fill_queue()
    assert [len(pack.items) for pack in made._queue] == sizes
