"""Waiting for a store that does not answer for a while: locked, its disk full, its server away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from search_space.errors import StoreError

T = TypeVar("T")

LOOK_EVERY_S = 0.2
"""Between two looks whether to stop, while waiting."""


@dataclass(frozen=True)
class Patience:
    """Does work on a store, again and again until it succeeds; every call of the store may be repeated."""

    seconds: float
    """How long one piece of work is tried."""
    stopping: Callable[[], bool]
    """Whether to give up at once."""
    tell: Callable[[str], None]
    """Hears why it waits."""

    def __call__(self, work: Callable[[], T]) -> T:
        """What ``work`` returns. Raises its StoreError when the store stays away, is damaged, or we are to stop."""
        until = time.monotonic() + self.seconds
        pause = 0.5
        while True:
            try:
                return work()
            except StoreError as error:
                if self.stopping() or "damaged" in str(error) or time.monotonic() + pause > until:
                    raise
                self.tell(str(error))
            self._wait(pause)
            pause = min(5.0, pause * 2)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stopping() and (left := until - time.monotonic()) > 0:
            time.sleep(min(LOOK_EVERY_S, left))
