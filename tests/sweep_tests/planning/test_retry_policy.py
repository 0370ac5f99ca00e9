"""What follows a failure is a pure function of the failed attempts, which the store keeps."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.facts import Failure
from sweep.planning.retry_policy import Adjustment, FailedAttempt, adjustment_after, decide, failed_attempts

ALONE = Adjustment(own_pack=True)
PLAIN = Adjustment(own_pack=True, plain=True)
pasts = st.lists(
    st.builds(FailedAttempt, st.sampled_from(Failure), st.sampled_from([1.0, 0.3, 0.09]), st.integers(0, 48)),
    min_size=1,
)


@pytest.mark.parametrize(
    ("past", "manner"),
    [
        ([], Adjustment()),
        ([FailedAttempt(Failure.WORKER_LOST)], Adjustment()),
        ([FailedAttempt(Failure.WORKER_LOST), FailedAttempt(Failure.WORKER_LOST)], PLAIN),
        ([FailedAttempt(Failure.TIMEOUT)], PLAIN),
        ([FailedAttempt(Failure.TIMEOUT), FailedAttempt(Failure.WORKER_LOST)], PLAIN),
        ([FailedAttempt(Failure.BUG)], PLAIN),
        ([FailedAttempt(Failure.DEVICE)], Adjustment()),
        ([FailedAttempt(Failure.DEVICE)] * 2, ALONE),
        ([FailedAttempt(Failure.DEVICE)] * 3, PLAIN),
        ([FailedAttempt(Failure.BAD_DATA)], Adjustment()),
        ([FailedAttempt(Failure.DIVERGENCE)], replace(PLAIN, lr_scale=0.3)),
        (
            [FailedAttempt(Failure.DIVERGENCE), FailedAttempt(Failure.DIVERGENCE, 0.3)],
            replace(PLAIN, lr_scale=0.09),
        ),
        (
            [FailedAttempt(Failure.DIVERGENCE), FailedAttempt(Failure.WORKER_LOST, 0.3)],
            replace(PLAIN, lr_scale=0.3),
        ),
        ([FailedAttempt(Failure.OOM, pack=8)], ALONE),
        ([FailedAttempt(Failure.OOM, pack=1)], Adjustment(own_pack=True, exclusive=True, plain=True)),
        (
            [FailedAttempt(Failure.OOM, pack=1), FailedAttempt(Failure.WORKER_LOST, pack=1)],
            Adjustment(own_pack=True, exclusive=True, plain=True),
        ),
    ],
)
def test_the_next_attempt_differs_as_the_failed_ones_ask(past, manner):
    assert adjustment_after(past) == manner


def test_each_class_of_failure_is_tried_again_as_it_deserves():
    for failure in Failure:
        assert decide([FailedAttempt(failure)], 3).retry is (failure is not Failure.BAD_DATA)
    assert not decide([FailedAttempt(Failure.BUG), FailedAttempt(Failure.BUG)], 9).retry
    assert decide([FailedAttempt(Failure.BUG), FailedAttempt(Failure.OOM)], 9).retry


@given(pasts, st.integers(1, 10))
def test_no_failure_is_tried_more_often_than_allowed(past, most):
    charged = sum(attempt.failure.charged for attempt in past)
    if charged >= most or len(past) - charged >= most + 2:
        assert not decide(past, most).retry


@given(pasts)
def test_an_attempt_never_goes_back_to_a_higher_rate_or_to_a_pack(past):
    before, after = adjustment_after(past[:-1]), adjustment_after(past)
    assert after.lr_scale <= past[-1].lr_scale
    assert after.own_pack >= before.own_pack and after.exclusive >= before.exclusive and after.plain >= before.plain
    assert after.own_pack or not (after.exclusive or after.plain)


def test_running_out_of_memory_in_a_pack_of_unknown_size_does_not_ask_for_the_whole_machine() -> None:
    assert adjustment_after([FailedAttempt(Failure.OOM)]) == Adjustment(own_pack=True, exclusive=False)
    assert adjustment_after([FailedAttempt(Failure.OOM, pack=0)]).exclusive is False
    assert adjustment_after([FailedAttempt(Failure.OOM, pack=2)]).exclusive is False
    assert adjustment_after([FailedAttempt(Failure.OOM, pack=1)]).exclusive is True


def test_another_failure_in_a_pack_of_one_does_not_ask_for_the_whole_machine() -> None:
    assert adjustment_after([FailedAttempt(Failure.BUG, pack=1)]) == PLAIN


def test_a_second_lost_worker_asks_for_a_pack_of_its_own() -> None:
    lost = FailedAttempt(Failure.WORKER_LOST, pack=48)
    assert adjustment_after([]) == adjustment_after([lost]) == Adjustment()
    assert adjustment_after([lost, lost]) == PLAIN
    assert adjustment_after([lost, FailedAttempt(Failure.BAD_DATA)]) == Adjustment()


def test_a_rate_is_lowered_once_per_divergence_and_rounded() -> None:
    assert adjustment_after([FailedAttempt(Failure.DIVERGENCE, 0.027)]).lr_scale == 0.0081
    assert adjustment_after([FailedAttempt(Failure.DIVERGENCE, 0.123457)]).lr_scale == 0.037037
    assert adjustment_after([FailedAttempt(Failure.OOM, 0.3)]).lr_scale == 0.3


@pytest.mark.parametrize(
    ("past", "most", "again", "why"),
    [
        ([FailedAttempt(Failure.WORKER_LOST)], 3, True, "on another worker"),
        ([FailedAttempt(Failure.OOM, pack=1)], 3, True, "while nothing else runs"),
        ([FailedAttempt(Failure.TIMEOUT)], 3, True, "alone"),
        ([FailedAttempt(Failure.DIVERGENCE)], 3, True, "alone, 0.3 of the learning rate"),
        ([FailedAttempt(Failure.DIVERGENCE, 1.0, 1), FailedAttempt(Failure.OOM, 0.3, 1)], 3, True,
         "while nothing else runs, 0.3 of the learning rate"),
        ([FailedAttempt(Failure.TIMEOUT)] * 3, 3, False, "3 failed attempts of at most 3"),
        ([FailedAttempt(Failure.TIMEOUT)] * 2, 3, True, "alone"),
        ([FailedAttempt(Failure.BAD_DATA)], 3, False, "the data has to be mended first"),
        ([FailedAttempt(Failure.BAD_DATA), FailedAttempt(Failure.TIMEOUT)], 3, True, "alone"),
        ([FailedAttempt(Failure.BUG)], 3, True, "alone"),
        ([FailedAttempt(Failure.BUG)] * 2, 3, False, "the same error twice: a bug is not retried for ever"),
        ([FailedAttempt(Failure.BUG), FailedAttempt(Failure.BUG), FailedAttempt(Failure.TIMEOUT)], 9, True, "alone"),
    ],
)  # fmt: skip
def test_a_decision_says_why(past: list[FailedAttempt], most: int, again: bool, why: str) -> None:
    decision = decide(past, most)
    assert (decision.retry, decision.reason) == (again, why)
    assert decision.adjustment == adjustment_after(past)


def attempt(outcome: str, failure: Failure | None, **detail: object) -> SimpleNamespace:
    return SimpleNamespace(outcome=outcome, failure=failure, detail=detail)


def test_only_failed_attempts_are_remembered_with_what_is_known_of_them() -> None:
    stored = [
        attempt("failed", Failure.OOM, lr_scale=0.3, pack=48),
        attempt("released", None),
        attempt("failed", None),
        attempt("failed", Failure.TIMEOUT, lr_scale=None, pack=None),
        attempt("done", None),
    ]
    assert failed_attempts(stored) == [  # type: ignore[arg-type]
        FailedAttempt(Failure.OOM, 0.3, 48),
        FailedAttempt(Failure.BUG, 1.0, 0),
        FailedAttempt(Failure.TIMEOUT, 1.0, 0),
    ]
