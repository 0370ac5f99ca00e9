from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from results_db.connection.clock import SLACK_S, Lease, judge

TIME = st.floats(0, 4e9)
LENGTH = st.floats(1, 1e5)


@given(TIME, LENGTH, TIME)
def test_a_lease_never_lives_past_its_end(given_at: float, length: float, at: float) -> None:
    if at >= given_at + length:
        assert judge(given_at, given_at + length, at) is Lease.EXPIRED


@given(TIME, LENGTH, st.floats(0, 0.99))
def test_a_lease_lives_until_its_end(given_at: float, length: float, part: float) -> None:
    until = given_at + length
    at = given_at + part * length
    assert judge(given_at, until, at) is Lease.LIVE or at >= until


@given(st.floats(1e6, 4e9), LENGTH, st.floats(SLACK_S + 1, 1e5))
def test_a_lease_from_the_future_is_counted_again(given_at: float, length: float, back: float) -> None:
    assert judge(given_at, given_at + length, given_at - back) is Lease.REBASE
