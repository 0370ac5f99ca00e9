"""A fault that all trials share: the first ones of a run fail with one error, and none succeeds. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from search_space.facts import Done, Failed, Failure, Outcome
from sweep.executors.core import Finished

TRIALS = 20
"""So many trials have failed before the sweep ends."""
PACKS = 3
"""In so many packs, without a member that all of them had: one member may take a whole pack with it, twice."""
_SHARED = frozenset((Failure.BUG, Failure.DEVICE, Failure.BAD_DATA, Failure.WORKER_LOST))
"""Of lost workers only those whose process died: nodes that leave and workers that are not heard accuse nobody."""


@dataclass
class FirstFailures:
    """Collects the outcomes of a run's trials until one succeeds."""

    attempts: list[tuple[int, int]] = field(default_factory=list)
    """(trial, number) of those that failed."""
    _packs: int = 0
    _in_all: set[int] = field(default_factory=set)
    """Trials that were in all these packs."""
    _errors: set[str] = field(default_factory=set)
    _example: str = ""
    _over: bool = False

    def add(self, end: Finished, outcomes: Sequence[Outcome]) -> None:
        """A pack that ended, with what that is for each of its trials."""
        accused = end.died or end.lost in (None, Failure.BUG)
        if self._over or end.excused or not (outcomes and accused):
            return
        trials = {outcome.trial for outcome in outcomes}
        self._in_all = self._in_all & trials if self._packs else trials
        self._packs += 1
        for outcome in outcomes:
            self._add(outcome)

    def _add(self, outcome: Outcome) -> None:
        if isinstance(outcome, Done):
            self._over = True
        elif isinstance(outcome, Failed) and outcome.failure in _SHARED:
            self.attempts.append((outcome.trial, outcome.attempt))
            self._errors.add(shape(outcome.error))
            self._example = outcome.error
        else:
            self._errors.add(f"{outcome.failure} of one trial")

    def verdict(self) -> str:
        """The fault in words once there is one; else empty."""
        if self._over or len(self._errors) != 1 or self._packs < PACKS or self._in_all:
            return ""
        trials = {trial for trial, _ in self.attempts}
        if len(trials) < TRIALS:
            return ""
        return f"the first {len(trials)} trials all failed with one error: {self._example}"


def shape(error: str) -> str:
    """An error without what differs from one trial to the next: its numbers, names of configs, addresses and ids.

    >>> shape("ValueError: [3, 16] at 0x7f") == shape("ValueError: [5, 4] at 0x3a1")
    True
    """
    return re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{12,}\b|\d+", "#", error.lower())
