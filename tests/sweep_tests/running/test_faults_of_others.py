"""What is not the trial's fault is not charged to it: a broken node, a fault that all share, a node that left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from results_db.store import Store
from search_space.errors import SweepError
from search_space.facts import Checkpoint, Failed, Failure
from search_space.spaces import load_space, select
from sweep.executors import by_name
from sweep.executors.core import Finished
from sweep.executors.inline import InlineExecutor
from sweep.executors.node_health import NodeHealth
from sweep.planning import stored_plan
from sweep.running.events import EventKind
from tests.sweep_tests.kit import DATA, RECIPE, driver, planned
from workers.task import PackTask


@dataclass
class Nodes:
    """Nodes that take packs in turn and train them here; ``fault`` says how a node fails a pack, if it does."""

    fault: Callable[[str, PackTask], Failed | Finished | None]
    names: tuple[str, ...] = ("good", "bad")
    health: NodeHealth = field(default_factory=NodeHealth)
    inner: InlineExecutor = field(default_factory=lambda: InlineExecutor(by_name.worker_data(DATA)))
    reports_progress: bool = True
    given: list[tuple[int, str, PackTask]] = field(default_factory=list)
    seen: list[tuple[str, PackTask]] = field(default_factory=list)

    def free(self) -> int:
        return len(self.usable()) - len(self.given)

    def usable(self) -> list[str]:
        return [name for name in self.names if name not in self.health.quarantined]

    def slots(self) -> int:
        return len(self.names)

    def submit(self, task: PackTask, timeout_s: float) -> int:
        node = next(name for name in self.usable() if name not in [taken for _, taken, _ in self.given])
        self.seen.append((node, task))
        self.given.append((len(self.seen), node, task))
        return len(self.seen)

    def steps(self) -> Mapping[int, int]:
        return {}

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        given, self.given = self.given, []
        return [self.end(*pack) for pack in given]

    def end(self, ticket: int, node: str, task: PackTask) -> Finished:
        fault = self.fault(node, task)
        if isinstance(fault, Finished):
            return replace(fault, ticket=ticket)
        if fault is not None:
            outcomes = tuple(replace(fault, trial=m.trial, attempt=m.attempt) for m in task.members)
        else:
            self.inner.submit(task, 0)
            (end,) = self.inner.poll(0)
            outcomes = end.outcomes
        excused = self.health.ended(node, outcomes)
        return Finished(
            ticket, outcomes, node=node, given_up=self.health.quarantined[node] if excused else "", excused=excused
        )

    def connect(self, stopping: Callable[[], bool], save: Callable[[Sequence[Checkpoint]], None]) -> None:
        self.inner.connect(stopping, save)

    def stop(self, timeout_s: float) -> Sequence[Finished]:
        return ()

    def close(self, now: bool = False) -> None:
        return None


def broken(failure: Failure, error: str = "AssertionError: broken") -> Failed:
    return Failed(0, 0, failure, error, "", "host")


def died(node: str, pid: int = 7) -> Finished:
    """The end of a pack whose worker's process ended by itself."""
    reason = f"ActorDiedError: worker process {pid} has died"
    return Finished(0, lost=Failure.WORKER_LOST, reason=reason, died=True, node=node)


def many(store: Store) -> int:
    """A sweep of 24 trials."""
    configs = select(load_space("paper").configs, ("eSR-MAX",), (2,), None, 24)
    plan = stored_plan.make_plan("paper", configs, RECIPE, DATA, root=None, name="many")
    return stored_plan.store_plan(store, plan, DATA)


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "s.db")) as opened:
        yield opened


@pytest.mark.parametrize("failure", [Failure.BUG, Failure.DEVICE])
def test_a_broken_node_among_good_ones_costs_no_trial(store, failure):
    sweep_id = planned(store, 12)
    told = []
    nodes = Nodes(lambda node, task: broken(failure) if node == "bad" else None)
    report = driver(store, sweep_id, nodes, told.append, pack_size=1, max_attempts=1).run()
    assert (report.done, report.failed, store.counts(sweep_id).done) == (12, 0, 12)
    assert [event.text for event in told if event.kind is EventKind.NODE] == [nodes.health.quarantined["bad"]]
    assert sum(node == "bad" for node, _ in nodes.seen) == 3
    assert sum(attempt.outcome == "excused" for attempt in store.attempts()) == 3
    assert sum(event.kind == "excused" for event in store.events()) == 3


def test_when_the_first_trials_all_fail_with_one_error_all_is_given_back_and_said_once(store):
    sweep_id = many(store)
    nodes = Nodes(lambda node, task: broken(Failure.BUG, f"ValueError: bad shape {task.members[0].trial}"))
    with pytest.raises(SweepError, match=r"the first 2\d trials all failed with one error: ValueError: bad shape"):
        driver(store, sweep_id, nodes, pack_size=1).run()
    counts = store.counts(sweep_id)
    assert (counts.failed, counts.running) == (0, 0)
    # Nothing was charged: mended, every trial has all its attempts.
    report = driver(store, sweep_id, Nodes(lambda node, task: None), max_attempts=1).run()
    assert report.done == counts.planned


def test_a_crash_of_every_worker_is_a_shared_fault_too(store):
    sweep_id = many(store)
    nodes = Nodes(lambda node, task: died(node, pid=len(nodes.seen)))
    with pytest.raises(SweepError, match=r"the first 2\d trials all failed with one error: ActorDiedError"):
        driver(store, sweep_id, nodes, pack_size=4).run()
    counts = store.counts(sweep_id)
    assert (counts.failed, counts.running, counts.pending) == (0, 0, 24)
    assert len(store.attempts()) < 3 * 24


@pytest.mark.parametrize(
    "end",
    [
        Finished(0, reason="node x is gone"),
        Finished(0, lost=Failure.WORKER_LOST, reason="its worker did not answer for 30 s"),
        Finished(0, lost=Failure.OOM, reason="the kernel killed its worker"),
    ],
)
def test_packs_lost_with_their_nodes_or_unheard_or_without_memory_are_no_shared_fault(store, end):
    sweep_id = many(store)
    nodes = Nodes(lambda node, task: replace(end, node=node) if len(nodes.seen) <= 8 else None)
    report = driver(store, sweep_id, nodes, pack_size=4, max_attempts=9).run()
    assert report.done == 24 and report.lost_packs == 8


def test_one_trial_that_kills_every_worker_is_no_fault_of_the_others(store):
    sweep_id = many(store)
    killer = store.trials(sweep_id)[0].id
    nodes = Nodes(lambda node, task: died(node) if killer in [m.trial for m in task.members] else None, ("one",))
    report = driver(store, sweep_id, nodes, pack_size=24).run()
    assert (report.done, report.failed) == (23, 1)


def test_after_a_success_trials_that_fail_are_no_longer_the_first(store):
    sweep_id = many(store)
    nodes = Nodes(lambda node, task: None if len(nodes.seen) == 1 else broken(Failure.BUG), ("one",))
    report = driver(store, sweep_id, nodes, pack_size=1, max_attempts=1).run()
    assert (report.done, report.failed) == (1, 23)


def test_different_errors_are_no_shared_fault(store):
    sweep_id = many(store)
    words = "abcdefghijklmnopqrstuvwxyz"
    nodes = Nodes(lambda node, task: broken(Failure.BUG, f"ValueError: {words[task.members[0].trial % 26]}"))
    report = driver(store, sweep_id, nodes, pack_size=1, max_attempts=1).run()
    assert report.failed == store.counts(sweep_id).planned


def test_a_node_that_leaves_again_and_again_uses_up_no_attempt(store):
    sweep_id = planned(store, 2)
    nodes = Nodes(lambda node, task: Finished(0, reason="node x is gone", node=node) if len(nodes.seen) < 9 else None)
    report = driver(store, sweep_id, nodes, max_attempts=1).run()
    assert report.done == 2 and report.lost_packs >= 8
    gone = [attempt for attempt in store.attempts() if attempt.outcome == "released"]
    assert len(gone) >= 8 and {attempt.error for attempt in gone} == {"node x is gone"}


def test_a_trial_that_breaks_every_device_it_is_alone_on_is_given_up(store):
    sweep_id = planned(store, 4)
    killer = store.trials(sweep_id)[0].id
    nodes = Nodes(
        lambda node, task: broken(Failure.DEVICE) if killer in [m.trial for m in task.members] else None,
        ("a", "b", "c"),
    )
    report = driver(store, sweep_id, nodes, max_attempts=2).run()
    assert (report.done, report.failed) == (3, 1)
