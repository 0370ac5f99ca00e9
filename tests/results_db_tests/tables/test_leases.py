from __future__ import annotations

import threading
from collections import Counter

import pytest

from results_db.states import State
from results_db.store import Store
from search_space.facts import Failure
from tests.results_db_tests.kit.facts import done, failed, planned


def test_a_claimed_trial_is_not_given_to_another(store: Store) -> None:
    _, trials = planned(store)
    mine = store.claim(trials[:3], "a", 60)
    assert [one.trial for one in mine] == trials[:3]
    assert [one.attempt for one in mine] == [1, 1, 1]
    assert [one.trial for one in store.claim(trials, "b", 60)] == trials[3:]


def test_claims_come_in_the_order_asked_for(store: Store) -> None:
    _, trials = planned(store)
    wanted = trials[::-1]
    assert [one.trial for one in store.claim(wanted, "a", 60)] == wanted


def test_an_attempt_keeps_what_the_driver_said_of_it(store: Store) -> None:
    _, trials = planned(store)
    store.claim(trials[:1], "a", 60, {trials[0]: {"lr_scale": 0.5}})
    (attempt,) = store.attempts(trials[0])
    assert (attempt.owner, attempt.detail, attempt.outcome) == ("a", {"lr_scale": 0.5}, None)


def test_a_lease_that_ran_out_frees_the_trial_and_counts_as_a_lost_worker(store: Store) -> None:
    sweep, trials = planned(store)
    store.claim(trials[:2], "dead", -1)
    assert store.expire_leases() == trials[:2]
    row = store.missing(sweep)[0]
    assert (row.state, row.failure, row.attempts) == (State.PENDING, Failure.WORKER_LOST, 1)
    assert store.attempts(trials[0])[0].outcome == "expired"


def test_a_claim_takes_over_what_a_dead_driver_held(store: Store) -> None:
    _, trials = planned(store)
    store.claim(trials, "dead", -1)
    assert [one.attempt for one in store.claim(trials, "b", 60)] == [2, 2, 2, 2]


def test_a_renewed_lease_is_kept(store: Store) -> None:
    _, trials = planned(store)
    claims = store.claim(trials, "a", -1)
    assert store.extend_lease(claims, "a", 60) == claims
    assert store.expire_leases() == []


def test_a_lease_that_was_taken_over_cannot_be_renewed(store: Store) -> None:
    _, trials = planned(store)
    claims = store.claim(trials, "a", -1)
    store.claim(trials[:1], "b", 60)
    assert store.extend_lease(claims, "a", 60) == claims[1:]
    assert store.extend_lease(claims, "b", 60) == []


def test_a_claim_leaves_the_leases_of_other_trials_alone(store: Store) -> None:
    _, trials = planned(store)
    store.claim(trials[:2], "dead", -1)
    store.claim(trials[1:], "b", 60)
    assert store.attempts(trials[0])[0].outcome is None
    assert store.expire_leases() == trials[:1]


def test_released_trials_are_free_at_once(store: Store) -> None:
    sweep, trials = planned(store)
    claims = store.claim(trials, "a", 60)
    assert store.release(claims, "b") == 0
    assert store.release(claims, "a", "Ctrl-C") == 4
    assert store.release(claims, "a") == 0
    assert store.counts(sweep).pending == 4
    assert store.attempts(trials[0])[0].error == "Ctrl-C"


def test_a_finished_trial_is_never_claimed_again(store: Store) -> None:
    _, trials = planned(store)
    store.record([done(one) for one in store.claim(trials, "a", 60)])
    assert store.claim(trials, "b", 60) == []


def test_a_failed_trial_waits_for_a_retry(store: Store) -> None:
    sweep, trials = planned(store)
    one, two, *_ = store.claim(trials, "a", 60)
    store.record([failed(one, Failure.OOM), failed(two, Failure.BUG)])
    assert store.claim(trials, "a", 60) == []
    assert store.retry(failure=Failure.OOM) == [one.trial]
    assert store.retry([two.trial], sweep_id=sweep) == [two.trial]
    assert store.retry() == []
    assert [claim.attempt for claim in store.claim(trials[:2], "a", 60)] == [2, 2]


def test_a_clock_set_back_does_not_make_a_lease_endless(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from results_db.connection import clock

    _, trials = planned(store, 1)
    hour = 3600.0
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda c: real(c) + hour)
    store.claim(trials, "dead", 60)
    monkeypatch.setattr(clock, "now", real)
    assert store.expire_leases() == []
    monkeypatch.setattr(clock, "now", lambda c: real(c) + 61)
    assert store.expire_leases() == trials


def test_drivers_at_once_share_a_sweep_without_a_trial_given_twice(url: str) -> None:
    with Store.open(url) as store:
        sweep, trials = planned(store, 120)
    taken: Counter[int] = Counter()
    lock = threading.Lock()

    def drive(owner: str) -> None:
        with Store.open(url) as mine:
            while missing := [row.id for row in mine.missing(sweep) if row.state is State.PENDING]:
                claims = mine.claim(missing[:7], owner, 60)
                with lock:
                    taken.update(one.trial for one in claims)
                recorded = mine.record([done(one) for one in claims])
                assert len(recorded.accepted) == len(claims)

    threads = [threading.Thread(target=drive, args=(f"driver-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == Counter(dict.fromkeys(trials, 1))
    with Store.open(url) as store:
        assert store.counts(sweep).done == 120
