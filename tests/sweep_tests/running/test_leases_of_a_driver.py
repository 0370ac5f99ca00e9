"""What a driver holds: neither renewed when it is done with, nor queued while it flies, nor timed out too early."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from results_db.records import Claim
from results_db.states import State
from results_db.store import Store
from search_space import parse_id
from search_space.costs.describe import describe
from sweep.running.driver import Driver
from sweep.running.lease_keeper import LeaseKeeper
from tests.results_db_tests.kit.facts import key
from tests.sweep_tests.kit import Unlucky, driver, planned
from workers.task import PackTask


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "s.db")) as opened:
        yield opened


class Recorder:
    """Remembers which claims were renewed."""

    def __init__(self) -> None:
        self.renewed: list[list[int]] = []

    def extend_lease(self, claims: Iterable[Claim], owner: str, lease_s: float) -> list[int]:
        assert (owner, lease_s) == ("driver", 0.2)
        self.renewed.append([claim.trial for claim in claims])
        return self.renewed[-1]

    def wait(self, times: int) -> None:
        until = time.monotonic() + 20
        while len(self.renewed) < times and time.monotonic() < until:
            time.sleep(0.01)
        assert len(self.renewed) >= times


def test_a_lease_that_was_let_go_is_not_renewed_any_more() -> None:
    recorder = Recorder()
    first, second = Claim(1, 1, key(1)), Claim(2, 1, key(2))
    with LeaseKeeper(recorder, "driver", 0.2) as keeper:  # type: ignore[arg-type]
        keeper.add([first])
        keeper.add([second])
        recorder.wait(1)
        assert sorted(recorder.renewed[-1]) == [1, 2]
        keeper.remove([first])
        seen = len(recorder.renewed)
        recorder.wait(seen + 2)
        assert recorder.renewed[-1] == [2]


def test_nothing_is_renewed_where_nothing_is_held_and_after_the_end() -> None:
    recorder = Recorder()
    with LeaseKeeper(recorder, "driver", 0.2) as keeper:  # type: ignore[arg-type]
        time.sleep(0.2)
        assert recorder.renewed == []
        keeper.add([Claim(1, 1, key(1))])
        recorder.wait(1)
    seen = len(recorder.renewed)
    time.sleep(0.2)
    assert len(recorder.renewed) == seen


class Pending(Unlucky):
    """Never ends a pack; runs ``then`` when it is first asked."""

    def __init__(self) -> None:
        super().__init__(lambda task: None)
        self.busy = False
        self.one: Driver | None = None
        self.queued: list[list[int]] = []

    def free(self) -> int:
        return 0 if self.busy else 1

    def submit(self, task: object, timeout_s: float) -> int:
        self.busy = True
        return 1

    def poll(self, timeout_s: float) -> list[object]:  # type: ignore[override]
        one = self.one
        assert one is not None
        # The lease ends while the worker still trains, and another look at the store finds the trial pending.
        one.store.expire_leases()
        one._queue.clear()
        one._fill_queue()
        self.queued.append([item.trial for pack in one._queue for item in pack.items])
        one.stopping = True
        return []


def test_a_trial_whose_lease_lapsed_while_it_flies_is_not_queued_again(store: Store) -> None:
    sweep_id = planned(store, 4)
    executor = Pending()
    one = driver(store, sweep_id, executor, lease_s=-1.0)  # type: ignore[arg-type]
    one._leases._lease_s = 1e6  # the keeper stays silent, as it does while a store does not answer
    executor.one = one
    one.run()
    flown = {attempt.trial for attempt in store.attempts()}
    assert len(flown) == 2 and len(store.trials(sweep_id, states=[State.PENDING])) == 4
    assert executor.queued and not flown & set(executor.queued[0])
    assert sorted(executor.queued[0]) == sorted({row.id for row in store.trials(sweep_id)} - flown)


class Paced(Unlucky):
    """The first pack takes 1000 s, the others 1 s each."""

    now = 0.0

    def poll(self, timeout_s: float) -> list[object]:  # type: ignore[override]
        self.now += 1000.0 if len(self.seen) == 1 else 1.0
        return list(super().poll(timeout_s))


def cost_of(task: PackTask) -> int:
    return sum(describe(parse_id(member.config)).macs_full_hd for member in task.members)


def test_a_time_limit_is_ten_times_what_the_slowest_pack_so_far_would_suggest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep_id = planned(store, 6)
    executor = Paced(lambda task: None)
    clock = SimpleNamespace(monotonic=lambda: executor.now, sleep=time.sleep)
    monkeypatch.setattr("sweep.running.driver.time", clock)
    one = driver(store, sweep_id, executor)
    assert one.run().done == 6
    first, *later = executor.timeouts
    assert first == one.settings.first_timeout_s
    slowest = 1000.0 / cost_of(executor.seen[0])
    assert later == pytest.approx([10 * slowest * cost_of(task) for task in executor.seen[1:]])
    assert min(later) > 600, "the floor must not decide here"


def test_a_time_limit_is_never_under_ten_minutes(store: Store) -> None:
    executor = Unlucky(lambda task: None)
    assert driver(store, planned(store, 4), executor).run().done == 4
    assert executor.timeouts[1:] == [600.0]
