"""Which nodes are broken: they fail one pack after another while others succeed. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from search_space.facts import Done, Failed, Failure, Outcome

IN_A_ROW = 3
"""Packs a node may fail in a row."""
STARTS_IN_A_ROW = 2
"""Workers of a node that may fail to start in a row, while other nodes have workers."""
STARTS_OF_THE_LAST = 4
"""The same of a node that is the last one."""

Attempt = tuple[int, int]
"""Trial and number of the attempt."""
_OF_NODE = frozenset((Failure.DEVICE, Failure.BUG, Failure.BAD_DATA, Failure.WORKER_LOST, Failure.TIMEOUT))
"""What a broken node may be the cause of; a divergence and a lack of memory come from the trial."""


@dataclass
class _Streak:
    attempts: list[Attempt] = field(default_factory=list)
    packs: int = 0
    elsewhere: int = 0
    """Packs that had succeeded on all nodes when it began."""
    device: bool = False


@dataclass
class NodeHealth:
    """Keeps count of the packs that fail on each node."""

    quarantined: dict[str, str] = field(default_factory=dict)
    """Why each node that was given up was."""
    _streaks: dict[str, _Streak] = field(default_factory=dict)
    _starts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _start_failed_at: dict[str, float] = field(default_factory=dict)
    _succeeded: int = 0

    def starts_failed(self, node: str) -> int:
        """How many workers of the node could not start since one did."""
        return self._starts.get(node, 0)

    def started(self, node: str) -> None:
        """A worker of the node is ready."""
        self._starts.pop(node, None)

    def not_started(self, node: str, reason: str, began: float, now: float, most: int = STARTS_IN_A_ROW) -> bool:
        """A worker of the node that began at ``began`` could not start; whether the node is given up now.

        Workers that began together and failed together are one failure.
        """
        together = began <= self._start_failed_at.get(node, -math.inf)
        self._start_failed_at[node] = now
        if together and most > 1:
            return False
        self._starts[node] += 1
        if self._starts[node] >= most:
            self.quarantined[node] = reason
        return node in self.quarantined

    def ended(self, node: str, outcomes: Sequence[Outcome]) -> tuple[Attempt, ...]:
        """A pack ended on the node with these outcomes. When the node is given up now: the attempts to be excused.

        A node is given up after ``IN_A_ROW`` packs of different trials failed there, when its device failed or packs
        succeeded elsewhere meanwhile: a fault that all nodes share is none of theirs.
        """
        if any(isinstance(outcome, Done) for outcome in outcomes):
            self._succeeded += 1
            self._streaks.pop(node, None)
            return ()
        failed = [outcome for outcome in outcomes if isinstance(outcome, Failed) and outcome.failure in _OF_NODE]
        if not failed or len(failed) < len(outcomes):
            return ()
        streak = self._streaks.setdefault(node, _Streak(elsewhere=self._succeeded))
        streak.attempts += [(outcome.trial, outcome.attempt) for outcome in failed]
        streak.packs += 1
        streak.device = streak.device or any(outcome.failure is Failure.DEVICE for outcome in failed)
        if node in self.quarantined or streak.packs < IN_A_ROW:
            return ()
        # One trial that breaks whatever it runs on is no fault of the nodes.
        if len({trial for trial, _ in streak.attempts}) < IN_A_ROW:
            return ()
        if not streak.device and self._succeeded == streak.elsewhere:
            return ()
        self.quarantined[node] = f"{streak.packs} packs in a row failed there: {failed[-1].error}"
        return tuple(streak.attempts)
