"""A node that fails everything while others succeed is given up; a fault that all share is no node's."""

from __future__ import annotations

import pytest

from search_space.facts import Done, Failed, Failure
from sweep.executors.node_health import IN_A_ROW, NodeHealth

numbers = iter(range(1, 10_000))


def failed(failure: Failure = Failure.BUG) -> list[Failed]:
    return [Failed(next(numbers), 1, failure, "it broke", "", "host") for _ in range(2)]


def done() -> list[Done]:
    return [Done(next(numbers), 1, (), (), 1.0, 1, "host")]


def test_a_node_that_fails_while_another_succeeds_is_given_up_and_its_failures_are_excused():
    health = NodeHealth()
    packs = [failed() for _ in range(IN_A_ROW)]
    told = []
    for pack in packs:
        told.append(health.ended("bad", pack))
        health.ended("good", done())
    assert told[:-1] == [()] * (IN_A_ROW - 1)
    assert set(told[-1]) == {(outcome.trial, 1) for pack in packs for outcome in pack}
    assert list(health.quarantined) == ["bad"] and "it broke" in health.quarantined["bad"]


def test_a_fault_that_all_nodes_share_is_none_of_theirs():
    health = NodeHealth()
    for _ in range(5):
        assert health.ended("a", failed()) == () == health.ended("b", failed())


def test_a_device_that_fails_needs_no_other_node_to_be_given_up():
    health = NodeHealth()
    told = [health.ended("a", failed(Failure.DEVICE)) for _ in range(IN_A_ROW)]
    assert len(told[-1]) == 2 * IN_A_ROW


def test_a_success_ends_a_streak():
    health = NodeHealth()
    for _ in range(4):
        for _ in range(IN_A_ROW - 1):
            health.ended("a", failed())
        health.ended("a", done())
        health.ended("b", done())
    assert not health.quarantined


@pytest.mark.parametrize("failure", [Failure.DIVERGENCE, Failure.OOM])
def test_what_comes_from_the_trial_accuses_no_node(failure):
    health = NodeHealth()
    for _ in range(5):
        health.ended("a", failed(failure))
        health.ended("b", done())
    assert not health.quarantined


def test_a_node_whose_workers_do_not_start_is_given_up_unless_one_starts():
    health = NodeHealth()
    assert not health.not_started("a", "no driver", 0, 1)
    assert health.starts_failed("a") == 1
    health.started("a")
    assert health.starts_failed("a") == 0
    assert not health.not_started("a", "no driver", 2, 3)
    assert health.not_started("a", "no driver", 4, 5) and health.quarantined == {"a": "no driver"}


def test_workers_that_began_together_and_failed_together_are_one_failure():
    health = NodeHealth()
    assert not any(health.not_started("a", "no answer", 0, 30 + number) for number in range(64))
    assert health.starts_failed("a") == 1 and not health.quarantined
    assert health.not_started("a", "no answer", 100, 160)


def test_a_device_that_was_proven_broken_needs_no_second_start():
    health = NodeHealth()
    assert not health.not_started("a", "no answer", 0, 30)
    assert health.not_started("a", "cuda cannot compute", 0, 31, most=1)


def test_one_trial_that_fails_wherever_it_runs_accuses_no_node():
    health = NodeHealth()
    for number in range(1, 10):
        assert health.ended("a", [Failed(7, number, Failure.DEVICE, "it broke", "", "host")]) == ()
