"""What follows a failure is a pure function of the failed attempts, which the store keeps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.facts import Failure
from sweep.planning.retry_policy import Manner, Past, decide, manner_of

ALONE = Manner(alone=True)
pasts = st.lists(
    st.builds(Past, st.sampled_from(Failure), st.sampled_from([1.0, 0.3, 0.09]), st.integers(0, 48)), min_size=1
)


@pytest.mark.parametrize(
    ("past", "manner"),
    [
        ([], Manner()),
        ([Past(Failure.WORKER_LOST)], Manner()),
        ([Past(Failure.WORKER_LOST), Past(Failure.WORKER_LOST)], ALONE),
        ([Past(Failure.TIMEOUT)], ALONE),
        ([Past(Failure.TIMEOUT), Past(Failure.WORKER_LOST)], ALONE),
        ([Past(Failure.BUG)], ALONE),
        ([Past(Failure.BAD_DATA)], Manner()),
        ([Past(Failure.DIVERGENCE)], Manner(0.3, alone=True)),
        ([Past(Failure.DIVERGENCE), Past(Failure.DIVERGENCE, 0.3)], Manner(0.09, alone=True)),
        ([Past(Failure.DIVERGENCE), Past(Failure.WORKER_LOST, 0.3)], Manner(0.3, alone=True)),
        ([Past(Failure.OOM, pack=8)], ALONE),
        ([Past(Failure.OOM, pack=1)], Manner(alone=True, solo=True)),
        ([Past(Failure.OOM, pack=1), Past(Failure.WORKER_LOST, pack=1)], Manner(alone=True, solo=True)),
    ],
)
def test_the_next_attempt_differs_as_the_failed_ones_ask(past, manner):
    assert manner_of(past) == manner


def test_each_class_of_failure_is_tried_again_as_it_deserves():
    for failure in Failure:
        assert decide([Past(failure)], 3).again is (failure is not Failure.BAD_DATA)
    assert not decide([Past(Failure.BUG), Past(Failure.BUG)], 9).again
    assert decide([Past(Failure.BUG), Past(Failure.OOM)], 9).again


@given(pasts, st.integers(1, 10))
def test_no_failure_is_tried_more_often_than_allowed(past, most):
    if len(past) >= most:
        assert not decide(past, most).again


@given(pasts)
def test_an_attempt_never_goes_back_to_a_higher_rate_or_to_a_pack(past):
    before, after = manner_of(past[:-1]), manner_of(past)
    assert after.lr_scale <= past[-1].lr_scale
    assert after.alone >= before.alone and after.solo >= before.solo
