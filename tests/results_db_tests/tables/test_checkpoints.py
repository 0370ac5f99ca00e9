from __future__ import annotations

import dataclasses
import random

import pytest
from sqlalchemy import text

from results_db.foreign import transfer
from results_db.reading.info import describe
from results_db.records import Claim
from results_db.store import Store
from search_space.facts import Checkpoint, Failure
from tests.results_db_tests.kit.facts import done, failed, planned


def state(claim: Claim, step: int, data: bytes = b"weights and moments") -> Checkpoint:
    return Checkpoint(claim.trial, claim.attempt, step, data)


@pytest.fixture
def claim(store: Store) -> Claim:
    _, ids = planned(store)
    return store.claim(ids[:1], "driver", 60)[0]


def test_a_newer_state_takes_the_place_of_the_older(store: Store, claim: Claim) -> None:
    assert store.save_checkpoints([state(claim, 100)]).accepted == (claim.trial,)
    store.save_checkpoints([state(claim, 200, b"later")])
    assert store.checkpoints([claim.trial]) == {claim.trial: state(claim, 200, b"later")}
    assert store.checkpoint_steps([claim.trial]) == {claim.trial: 200}
    assert describe(store).rows["checkpoint"] == 1


def test_the_newest_of_several_states_in_one_call_is_kept(store: Store, claim: Claim) -> None:
    store.save_checkpoints([state(claim, 100), state(claim, 200)])
    assert store.checkpoint_steps([claim.trial]) == {claim.trial: 200}


def test_a_trial_that_is_done_has_no_checkpoint(store: Store, claim: Claim) -> None:
    store.save_checkpoints([state(claim, 100)])
    store.record([done(claim)])
    assert store.checkpoints([claim.trial]) == {}
    assert describe(store).checkpoint_size == 0


@pytest.mark.parametrize("failure", list(Failure))
def test_the_class_of_a_failure_decides_what_becomes_of_the_checkpoint(
    store: Store, claim: Claim, failure: Failure
) -> None:
    store.save_checkpoints([state(claim, 100)])
    store.record([failed(claim, failure)])
    kept = {Failure.OOM, Failure.WORKER_LOST, Failure.TIMEOUT, Failure.DEVICE}
    assert (claim.trial in store.checkpoints([claim.trial])) is (failure in kept)


def test_a_state_of_an_attempt_that_was_taken_over_is_fenced(store: Store, claim: Claim) -> None:
    store.release([claim], "driver")
    newer = store.claim([claim.trial], "another", 60)[0]
    store.save_checkpoints([state(newer, 50)])
    answer = store.save_checkpoints([state(claim, 100)])
    assert answer.accepted == () and answer.fenced == (claim.trial,)
    assert "taken over by attempt 2" in answer.reasons[claim.trial]
    assert store.checkpoint_steps([claim.trial]) == {claim.trial: 50}


def test_a_state_after_the_result_is_fenced(store: Store, claim: Claim) -> None:
    store.record([done(claim)])
    assert "already brought its result" in store.save_checkpoints([state(claim, 100)]).reasons[claim.trial]
    assert store.checkpoints([claim.trial]) == {}


def test_a_state_of_an_attempt_never_given_out_is_fenced(store: Store, claim: Claim) -> None:
    unknown = dataclasses.replace(claim, attempt=7)
    assert "never given out" in store.save_checkpoints([state(unknown, 100)]).reasons[claim.trial]
    assert store.save_checkpoints([Checkpoint(10**6, 1, 5, b"x")]).fenced == (10**6,)


def test_a_state_that_arrives_after_the_claim_was_given_back_still_counts(store: Store, claim: Claim) -> None:
    store.release([claim], "driver")
    assert store.save_checkpoints([state(claim, 100)]).accepted == (claim.trial,)


def test_the_next_attempt_finds_the_state_and_may_replace_it_by_an_earlier_step(store: Store, claim: Claim) -> None:
    store.save_checkpoints([state(claim, 100)])
    store.release([claim], "driver")
    newer = store.claim([claim.trial], "another", 60)[0]
    assert store.checkpoints([claim.trial])[claim.trial].step == 100
    store.save_checkpoints([state(newer, 10)])
    assert store.checkpoint_steps([claim.trial]) == {claim.trial: 10}


def test_the_size_of_the_states_is_told(store: Store, claim: Claim) -> None:
    store.save_checkpoints([state(claim, 100, b"x" * 1000)])
    assert describe(store).checkpoint_size == 1000


def test_a_copy_of_the_store_carries_the_states(store: Store, claim: Claim, tmp_path) -> None:
    store.save_checkpoints([state(claim, 100)])
    with Store.open(str(tmp_path / "copy.db")) as other:
        transfer.copy(store, other)
        assert other.checkpoints([claim.trial]) == {claim.trial: state(claim, 100)}


STATE = 30_000
"""Bytes, which do not compress."""
VACUUM_EVERY = 5
"""Rounds."""


def vacuum(store: Store) -> None:
    """What PostgreSQL does by itself once a minute: rows that were replaced make room for new ones."""
    if not store.database.is_sqlite:
        with store.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM"))


def test_many_rounds_of_states_do_not_grow_the_database(store: Store) -> None:
    _, ids = planned(store, 16)
    claims = store.claim(ids, "driver", 60)
    sizes = []
    for step in range(1, 41):
        store.save_checkpoints([state(claim, step, random.Random(step).randbytes(STATE)) for claim in claims])
        if step % VACUUM_EVERY == 0:
            vacuum(store)
        sizes.append(describe(store).size)
    if store.database.is_sqlite:
        assert sizes[-1] == sizes[4]
    else:
        assert sizes[-1] < sizes[VACUUM_EVERY - 1] + VACUUM_EVERY * len(claims) * STATE
