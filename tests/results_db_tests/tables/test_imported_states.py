"""An import changes the state of a trial by the one transition function, like every other writer."""

from __future__ import annotations

import pytest

from results_db.records import Source
from results_db.states import State
from results_db.store import Store
from search_space.errors import StoreError
from search_space.facts import Failed, Failure, Quality, TrialKey

CONFIG = "eSR-MAX_s2_K3_C1"
KEY = TrialKey(CONFIG, 0, "label", "label", "label")


def imported(store: Store, sweep: int, value: float = 31.5) -> None:
    fact = Quality(CONFIG, "Set5", "psnr", value, "dB", "p1")
    store.add_qualities(sweep, [fact], Source.PUBLISHED, label="label", parameters={CONFIG: 7})


def sweep_of(store: Store) -> int:
    sweep = store.create_sweep("theirs", "table", "{}", source=Source.PUBLISHED)
    store.plan(sweep, [KEY], Source.PUBLISHED)
    return sweep


def test_an_import_finishes_a_planned_trial(store: Store) -> None:
    sweep = sweep_of(store)
    imported(store, sweep)
    (row,) = store.trials(sweep)
    assert (row.state, row.failure, row.lease_until) == (State.DONE, None, None)


def test_an_import_refuses_a_failed_trial_and_writes_nothing(store: Store) -> None:
    sweep = sweep_of(store)
    (claim,) = store.claim(list(store.trial_ids([KEY]).values()), "me", 60)
    store.record([Failed(claim.trial, claim.attempt, Failure.BUG, "boom", "", "node")])
    with pytest.raises(StoreError, match=rf"{CONFIG} .*a trial that is failed cannot complete; retry it"):
        imported(store, sweep)
    assert [row.state for row in store.trials(sweep)] == [State.FAILED]
    assert store.unmeasured(sweep, "Set5", "psnr", "p1") == []


def test_a_retried_trial_takes_the_import_and_keeps_no_failure(store: Store) -> None:
    sweep = sweep_of(store)
    (claim,) = store.claim(list(store.trial_ids([KEY]).values()), "me", 60)
    store.record([Failed(claim.trial, claim.attempt, Failure.BUG, "boom", "", "node")])
    store.retry([claim.trial])
    imported(store, sweep)
    (row,) = store.trials(sweep)
    assert (row.state, row.failure) == (State.DONE, None)


def test_a_running_trial_that_an_import_finishes_is_held_by_nobody(store: Store) -> None:
    sweep = sweep_of(store)
    (claim,) = store.claim(list(store.trial_ids([KEY]).values()), "me", 60)
    imported(store, sweep)
    (row,) = store.trials(sweep)
    assert (row.state, row.owner, row.lease_until) == (State.DONE, None, None)
    assert store.extend_lease([claim], "me", 60) == []
    late = store.record([Failed(claim.trial, claim.attempt, Failure.BUG, "boom", "", "node")])
    assert late.fenced == (claim.trial,)


def test_a_second_import_leaves_a_finished_trial_as_it_is(store: Store) -> None:
    sweep = sweep_of(store)
    imported(store, sweep)
    before = store.trials(sweep)
    imported(store, sweep, value=30.0)
    assert store.trials(sweep) == before
