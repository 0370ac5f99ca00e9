"""Repeating calls of a store that does not answer for a while: locked, its disk full, its server unreachable."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from search_space.errors import StoreError, StoreLost

T = TypeVar("T")

CHECK_EVERY_S = 0.2
"""Between two checks whether to stop, while waiting."""


@dataclass(frozen=True)
class StoreRetry:
    """Calls work on a store until it succeeds; every method of the store may be repeated."""

    seconds: float
    """How long one piece of work is tried."""
    stopping: Callable[[], bool]
    """Whether to give up at once."""
    report: Callable[[str], None]
    """Gets the reason each time the work has to be repeated."""

    def __call__(self, work: Callable[[], T]) -> T:
        """What ``work`` returns. Raises its StoreError after ``seconds``, for a lost store, or when stopping."""
        deadline = time.monotonic() + self.seconds
        pause = 0.5
        while True:
            try:
                return work()
            except StoreError as error:
                if self.stopping() or isinstance(error, StoreLost) or time.monotonic() + pause > deadline:
                    raise
                self.report(str(error))
            self._wait(pause)
            pause = min(5.0, pause * 2)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self.stopping() and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(CHECK_EVERY_S, left))
