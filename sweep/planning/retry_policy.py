"""What a failed attempt leads to, by the class of its failure. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from results_db.records import AttemptRow
from search_space.facts import Failure


@dataclass(frozen=True)
class FailedAttempt:
    """One failed attempt of a trial, as far as the next one depends on it."""

    failure: Failure
    lr_scale: float = 1.0
    """What its learning rate was multiplied by."""
    pack: int = 0
    """Members of its pack; 0 when that is not known."""


@dataclass(frozen=True)
class Adjustment:
    """How the next attempt of a trial differs from its first."""

    lr_scale: float = 1.0
    own_pack: bool = False
    """In a pack of its own."""
    exclusive: bool = False
    """While nothing else of this driver runs, with all the memory there is."""
    plain: bool = False
    """By the reference in plain PyTorch, several times as slow: what failed may be a faster engine."""


@dataclass(frozen=True)
class Decision:
    """Whether to try again, how, and the reason in words."""

    retry: bool
    adjustment: Adjustment = Adjustment()
    reason: str = ""


def adjustment_after(failed: Sequence[FailedAttempt]) -> Adjustment:
    """How the attempt after the ``failed`` ones (oldest first) differs; only the stored attempts decide it.

    >>> adjustment_after([FailedAttempt(Failure.DIVERGENCE, 1.0, 48)])
    Adjustment(lr_scale=0.3, own_pack=True, exclusive=False, plain=True)
    >>> adjustment_after([FailedAttempt(Failure.OOM, 1.0, 48), FailedAttempt(Failure.OOM, 1.0, 1)])
    Adjustment(lr_scale=1.0, own_pack=True, exclusive=True, plain=True)
    """
    if not failed:
        return Adjustment()
    scale = failed[-1].lr_scale
    if failed[-1].failure is Failure.DIVERGENCE:
        scale = round(scale * 0.3, 6)
    count = Counter(attempt.failure for attempt in failed)
    engine = bool(count[Failure.DIVERGENCE] or count[Failure.TIMEOUT] or count[Failure.BUG])
    # One member of a pack may be what kills or stops its worker: the other members must not fail with it.
    own_pack = engine or count[Failure.OOM] > 0 or count[Failure.WORKER_LOST] > 1 or count[Failure.DEVICE] > 1
    exclusive = any(attempt.failure is Failure.OOM and attempt.pack == 1 for attempt in failed)
    # Alone a trial has the engine of its pack once more where the pack's memory or two devices were at fault.
    plain = engine or exclusive or count[Failure.WORKER_LOST] > 1 or count[Failure.DEVICE] > 2
    return Adjustment(scale, own_pack, exclusive, plain)


def failed_attempts(attempts: Sequence[AttemptRow]) -> list[FailedAttempt]:
    """The failed ones of a trial's stored attempts, oldest first."""
    return [
        FailedAttempt(
            attempt.failure or Failure.BUG,
            float(attempt.detail.get("lr_scale") or 1.0),
            int(attempt.detail.get("pack") or 0),
        )
        for attempt in attempts
        if attempt.outcome == "failed"
    ]


def decide(failed: Sequence[FailedAttempt], max_attempts: int) -> Decision:
    """What follows the last of the ``failed`` attempts of a trial, oldest first.

    Attempts that were given back, or ended with their driver, are not among them: they do not count.

    >>> decide([FailedAttempt(Failure.DIVERGENCE)], 3).reason
    'alone, 0.3 of the learning rate'
    >>> decide([FailedAttempt(Failure.BAD_DATA)], 3).retry
    False
    """
    last = failed[-1].failure
    adjustment = adjustment_after(failed)
    charged = sum(attempt.failure.charged for attempt in failed)
    if charged >= max_attempts:
        return Decision(False, adjustment, f"{charged} failed attempts of at most {max_attempts}")
    # What fails one device after another, alone on them from the third on, is the trial.
    devices = len(failed) - charged
    if devices >= max_attempts + 2:
        return Decision(False, adjustment, f"{devices} devices failed with this trial on them")
    if last is Failure.BAD_DATA:
        return Decision(False, adjustment, "the data has to be mended first")
    if last is Failure.BUG and sum(attempt.failure is Failure.BUG for attempt in failed) > 1:
        return Decision(False, adjustment, "the same error twice: a bug is not retried for ever")
    return Decision(True, adjustment, _words(adjustment))


def _words(adjustment: Adjustment) -> str:
    parts = [
        "while nothing else runs" if adjustment.exclusive else "alone" if adjustment.own_pack else "on another worker"
    ]
    if adjustment.lr_scale != 1.0:
        parts.append(f"{adjustment.lr_scale:g} of the learning rate")
    return ", ".join(parts)
