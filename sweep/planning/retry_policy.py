"""What a failed attempt leads to, by the class of its failure. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from results_db.records import AttemptRow
from search_space.facts import Failure


@dataclass(frozen=True)
class Past:
    """One attempt of a trial that failed, as the store tells it."""

    failure: Failure
    lr_scale: float = 1.0
    """What its learning rate was multiplied by."""
    pack: int = 0
    """Members of its pack; 0 when that is not known."""


@dataclass(frozen=True)
class Manner:
    """How the next attempt of a trial differs from its first."""

    lr_scale: float = 1.0
    alone: bool = False
    """In a pack of its own."""
    solo: bool = False
    """While nothing else of this driver runs: with all the memory there is."""


@dataclass(frozen=True)
class Decision:
    """Try again or not, how, and why in words."""

    again: bool
    manner: Manner = Manner()
    why: str = ""


def manner_of(past: Sequence[Past]) -> Manner:
    """How the attempt after ``past`` (the failed ones, oldest first) goes about it; the store alone decides it.

    >>> manner_of([Past(Failure.DIVERGENCE, 1.0, 48)])
    Manner(lr_scale=0.3, alone=True, solo=False)
    >>> manner_of([Past(Failure.OOM, 1.0, 48), Past(Failure.OOM, 1.0, 1)])
    Manner(lr_scale=1.0, alone=True, solo=True)
    """
    if not past:
        return Manner()
    scale = past[-1].lr_scale
    if past[-1].failure is Failure.DIVERGENCE:
        scale = round(scale * 0.3, 6)
    failures = [one.failure for one in past]
    # One member of a pack may be what kills or stops its worker: the others must not share its fate.
    alone = failures.count(Failure.WORKER_LOST) > 1 or any(
        failure in (Failure.DIVERGENCE, Failure.OOM, Failure.TIMEOUT, Failure.BUG) for failure in failures
    )
    solo = any(one.failure is Failure.OOM and one.pack == 1 for one in past)
    return Manner(scale, alone, solo)


def past_of(attempts: Sequence[AttemptRow]) -> list[Past]:
    """The failed ones of a trial's stored attempts (oldest first), as decisions see them."""
    return [
        Past(one.failure or Failure.BUG, float(one.detail.get("lr_scale") or 1.0), int(one.detail.get("pack") or 0))
        for one in attempts
        if one.outcome == "failed"
    ]


def decide(past: Sequence[Past], max_attempts: int) -> Decision:
    """What follows the last of ``past``, the failed attempts of a trial, oldest first.

    Attempts that were given back, or cut short with their driver, are not among them: they do not count.

    >>> decide([Past(Failure.DIVERGENCE)], 3)
    Decision(again=True, manner=Manner(lr_scale=0.3, alone=True, solo=False), why='alone, 0.3 of the learning rate')
    >>> decide([Past(Failure.BAD_DATA)], 3).again
    False
    """
    last = past[-1].failure
    manner = manner_of(past)
    if len(past) >= max_attempts:
        return Decision(False, manner, f"{len(past)} failed attempts of at most {max_attempts}")
    if last is Failure.BAD_DATA:
        return Decision(False, manner, "the data has to be mended first")
    if last is Failure.BUG and sum(one.failure is Failure.BUG for one in past) > 1:
        return Decision(False, manner, "the same error twice: a bug is not retried for ever")
    return Decision(True, manner, _words(manner))


def _words(manner: Manner) -> str:
    parts = ["while nothing else runs" if manner.solo else "alone" if manner.alone else "on another worker"]
    if manner.lr_scale != 1.0:
        parts.append(f"{manner.lr_scale:g} of the learning rate")
    return ", ".join(parts)
