"""The hours that a sweep's attempts held, and curves as they were stored."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from results_db.reading.costs import costs
from results_db.reading.trial_facts import curves, trial_facts
from results_db.schema import attempt
from results_db.states import State
from results_db.store import Store
from search_space.errors import StoreError
from search_space.facts import Done, Failed, Failure, TrialKey


def planned(store: Store, count: int) -> tuple[int, list[int]]:
    sweep_id = store.create_sweep("night", "paper", "{}")
    store.plan(sweep_id, [TrialKey(f"eSR-MAX_s2_K3_C{i + 1}", 0, "r", "d", "c") for i in range(count)])
    return sweep_id, [row.id for row in store.trials(sweep_id)]


def last_for(store: Store, seconds: float) -> None:
    """Let every attempt have lasted so long."""
    store.database.write(lambda c: c.execute(update(attempt).values(started_at=attempt.c.ended_at - seconds)))


def test_a_pack_of_two_on_two_cores_and_half_a_gpu_costs_its_time_once(store: Store):
    sweep_id, ids = planned(store, 3)
    detail = {trial: {"pack": 2, "cpus": 2.0, "gpus": 0.5} for trial in ids[:2]}
    claims = store.claim(ids[:2], "me", 60, detail)
    done = Done(claims[0].trial, 1, (), (), 5.0, 10, "node", curve=((0, 0.5), (9, 0.25)))
    store.record([done, Failed(claims[1].trial, 1, Failure.BUG, "it broke", "", "node")])
    last_for(store, 3600.0)
    known = costs(store, sweep_id)
    assert (known.core_hours, known.gpu_hours) == pytest.approx((2.0, 0.5))
    assert (known.attempts, known.not_counted) == (2, 0)


def test_an_attempt_that_was_stopped_is_counted_apart(store: Store):
    sweep_id, ids = planned(store, 2)
    store.release(store.claim(ids[:1], "me", 60), "me", "the driver stopped")
    claim = store.claim(ids[:1], "me", 60)[0]
    store.record([Done(claim.trial, claim.attempt, (), (), 5.0, 10, "node")])
    last_for(store, 1800.0)
    known = costs(store, sweep_id)
    assert (known.attempts, known.not_counted) == (1, 1) and known.core_hours == pytest.approx(0.5)


def test_facts_of_a_trial_are_those_that_were_stored(store: Store):
    _, ids = planned(store, 2)
    claim = store.claim(ids[:1], "me", 60)[0]
    store.record([Done(claim.trial, 1, (), (), 5.0, 10, "node", curve=((0, 0.5), (9, 0.25)), flags=("f",))])
    facts = trial_facts(store, claim.trial)
    assert (facts.state, facts.node, facts.seconds, facts.steps) == (State.DONE, "node", 5.0, 10)
    assert facts.curve == ((0, 0.5), (9, 0.25)) and facts.flags == ("f",)
    assert curves(store, ids) == {claim.trial: ((0, 0.5), (9, 0.25))}
    assert trial_facts(store, ids[1]).state is State.PENDING
    with pytest.raises(StoreError, match="no trial 999"):
        trial_facts(store, 999)
