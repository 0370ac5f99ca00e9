"""The words and the limits of trying again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from search_space.facts import Failure
from sweep.planning.retry_policy import Manner, Past, decide, manner_of, past_of


def test_running_out_of_memory_in_a_pack_of_unknown_size_does_not_ask_for_the_whole_machine() -> None:
    assert manner_of([Past(Failure.OOM)]) == Manner(alone=True, solo=False)
    assert manner_of([Past(Failure.OOM, pack=0)]).solo is False
    assert manner_of([Past(Failure.OOM, pack=2)]).solo is False
    assert manner_of([Past(Failure.OOM, pack=1)]).solo is True


def test_another_failure_in_a_pack_of_one_does_not_ask_for_the_whole_machine() -> None:
    assert manner_of([Past(Failure.BUG, pack=1)]) == Manner(alone=True)


def test_a_rate_is_lowered_once_per_divergence_and_rounded() -> None:
    assert manner_of([Past(Failure.DIVERGENCE, 0.027)]).lr_scale == 0.0081
    assert manner_of([Past(Failure.DIVERGENCE, 0.123457)]).lr_scale == 0.037037
    assert manner_of([Past(Failure.OOM, 0.3)]).lr_scale == 0.3


@pytest.mark.parametrize(
    ("past", "most", "again", "why"),
    [
        ([Past(Failure.WORKER_LOST)], 3, True, "on another worker"),
        ([Past(Failure.OOM, pack=1)], 3, True, "while nothing else runs"),
        ([Past(Failure.TIMEOUT)], 3, True, "alone"),
        ([Past(Failure.DIVERGENCE)], 3, True, "alone, 0.3 of the learning rate"),
        ([Past(Failure.DIVERGENCE, 1.0, 1), Past(Failure.OOM, 0.3, 1)], 3, True,
         "while nothing else runs, 0.3 of the learning rate"),
        ([Past(Failure.TIMEOUT)] * 3, 3, False, "3 failed attempts of at most 3"),
        ([Past(Failure.TIMEOUT)] * 2, 3, True, "alone"),
        ([Past(Failure.BAD_DATA)], 3, False, "the data has to be mended first"),
        ([Past(Failure.BAD_DATA), Past(Failure.TIMEOUT)], 3, True, "alone"),
        ([Past(Failure.BUG)], 3, True, "alone"),
        ([Past(Failure.BUG)] * 2, 3, False, "the same error twice: a bug is not retried for ever"),
        ([Past(Failure.BUG), Past(Failure.BUG), Past(Failure.TIMEOUT)], 9, True, "alone"),
    ],
)  # fmt: skip
def test_a_decision_says_why(past: list[Past], most: int, again: bool, why: str) -> None:
    decision = decide(past, most)
    assert (decision.again, decision.why) == (again, why)
    assert decision.manner == manner_of(past)


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
    assert past_of(stored) == [  # type: ignore[arg-type]
        Past(Failure.OOM, 0.3, 48),
        Past(Failure.BUG, 1.0, 0),
        Past(Failure.TIMEOUT, 1.0, 0),
    ]
