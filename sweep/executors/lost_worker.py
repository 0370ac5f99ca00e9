"""Why the process of a worker ended: killed for want of memory, gone with its node, or by a fault of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from search_space.facts import Failure
from workers.oom_kills import oom_kills

ANSWER_S = 20.0
"""A node that has not answered by then is leaving."""
_NODE_WORDS = ("its node has died", "node was drained", "node is dead", "node died", "preempted")

Verdict = tuple[Failure | None, str]
"""The class of the failure, None when no trial is charged, and the reason in words."""


@dataclass
class Inquest:
    """Asks the node of a worker whose process ended for the kernel's counter of processes killed for their memory."""

    place: str
    reason: str
    answer: Any
    """Reference to the counter; None when the node is known to be gone."""
    opened: float

    @classmethod
    def open(cls, place: str, reason: str, words: str) -> Inquest:
        """Begin; ``words`` are all that Ray says."""
        low = words.lower()
        if any(said in low for said in _NODE_WORDS):
            return cls(place, reason, None, time.monotonic())
        task: Any = ray.remote(oom_kills)
        strategy = NodeAffinitySchedulingStrategy(place, soft=False)
        answer = task.options(num_cpus=0, max_retries=0, scheduling_strategy=strategy).remote()
        return cls(place, reason, answer, time.monotonic())

    def verdict(self, counters: dict[str, int | None]) -> Verdict | None:
        """The verdict, or None while the node has not answered; ``counters`` by node are brought up to date."""
        if self.answer is None:
            return None, "its node is gone"
        if not ray.wait([self.answer], timeout=0)[0]:
            return (None, "its node does not answer") if time.monotonic() > self.opened + ANSWER_S else None
        try:
            now = ray.get(self.answer, timeout=1)
        except RayError:
            return None, "its node is gone"
        before, counters[self.place] = counters.get(self.place), now
        if "out of memory" in self.reason.lower():
            return Failure.OOM, self.reason
        if before is not None and now is not None and now > before:
            return Failure.OOM, "the kernel killed its worker: the node is out of memory"
        return Failure.WORKER_LOST, self.reason
