"""What follows a failure is a pure function of the failed attempts, which the store keeps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.facts import Failure
from sweep.planning.retry_policy import Adjustment, FailedAttempt, adjustment_after, decide

ALONE = Adjustment(own_pack=True)
pasts = st.lists(
    st.builds(FailedAttempt, st.sampled_from(Failure), st.sampled_from([1.0, 0.3, 0.09]), st.integers(0, 48)),
    min_size=1,
)


@pytest.mark.parametrize(
    ("past", "manner"),
    [
        ([], Adjustment()),
        ([FailedAttempt(Failure.WORKER_LOST)], Adjustment()),
        ([FailedAttempt(Failure.WORKER_LOST), FailedAttempt(Failure.WORKER_LOST)], ALONE),
        ([FailedAttempt(Failure.TIMEOUT)], ALONE),
        ([FailedAttempt(Failure.TIMEOUT), FailedAttempt(Failure.WORKER_LOST)], ALONE),
        ([FailedAttempt(Failure.BUG)], ALONE),
        ([FailedAttempt(Failure.BAD_DATA)], Adjustment()),
        ([FailedAttempt(Failure.DIVERGENCE)], Adjustment(0.3, own_pack=True)),
        ([FailedAttempt(Failure.DIVERGENCE), FailedAttempt(Failure.DIVERGENCE, 0.3)], Adjustment(0.09, own_pack=True)),
        ([FailedAttempt(Failure.DIVERGENCE), FailedAttempt(Failure.WORKER_LOST, 0.3)], Adjustment(0.3, own_pack=True)),
        ([FailedAttempt(Failure.OOM, pack=8)], ALONE),
        ([FailedAttempt(Failure.OOM, pack=1)], Adjustment(own_pack=True, exclusive=True)),
        (
            [FailedAttempt(Failure.OOM, pack=1), FailedAttempt(Failure.WORKER_LOST, pack=1)],
            Adjustment(own_pack=True, exclusive=True),
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
    assert after.own_pack >= before.own_pack and after.exclusive >= before.exclusive
