"""A tracker in a thread of its own behind a bounded queue: whatever it does, the sweep neither waits nor fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, Full, Queue

from search_space.errors import first_line
from search_space.visible import visible
from sweep.tracking.tracker import Tracker

Work = Callable[[Tracker], None]

MOST_WAITING = 10_000
"""Pieces of work that wait for a tracker; later ones are dropped. A piece is small: it reads the store when its turn
comes."""
MOST_FAILURES = 3
"""After so many failures in a row a tracker is told nothing more."""


class Follower:
    """Does work with one tracker, in order.

    ``make`` makes the tracker, in the thread. ``warn`` is called at most once, with the first thing that went wrong.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Tracker],
        warn: Callable[[str], None],
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self.name, self._make, self._warn = name, make, warn
        self._queue: Queue[Work] = Queue(most_waiting)
        self._last: Work | None = None
        self._closing = threading.Event()
        self._warned = threading.Lock()
        self._failures = 0
        self._finished = 0
        self._thread = threading.Thread(target=self._run, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def send(self, work: Work) -> None:
        """Have the work done when its turn comes; returns at once."""
        try:
            self._queue.put_nowait(work)
        except Full:
            self._warn_once("it is too slow: some of what happens is not told")

    def close(self, last: Work, wait_s: float, stuck_s: float = 10.0) -> None:
        """Have ``last`` done after all else. Returns when it is, or after ``wait_s``, or when one piece of work takes
        longer than ``stuck_s``."""
        self._last = last
        self._closing.set()
        end = time.monotonic() + wait_s
        seen, since = -1, time.monotonic()
        while self._thread.is_alive() and time.monotonic() < min(end, since + stuck_s):
            if seen != self._finished:
                seen, since = self._finished, time.monotonic()
            self._thread.join(0.05)
        if self._thread.is_alive():
            self._warn_once("it did not end in time")

    def _run(self) -> None:
        try:
            tracker = self._make()
        except (Exception, SystemExit) as error:
            self._warn_once(f"it cannot start: {first_line(error)}")
            return
        while self._failures < MOST_FAILURES:
            try:
                work = self._queue.get(timeout=0.1)
            except Empty:
                if not self._closing.is_set():
                    continue
                break
            self._do(work, tracker)
        if self._closing.wait() and self._last is not None:
            self._do(self._last, tracker)

    def _do(self, work: Work, tracker: Tracker) -> None:
        try:
            work(tracker)
        except (Exception, SystemExit) as error:
            self._failures += 1
            self._warn_once(first_line(error))
        else:
            self._failures = 0
        self._finished += 1

    def _warn_once(self, reason: str) -> None:
        # The lock is never given back: there is one warning.
        if self._warned.acquire(blocking=False):
            self._warn(visible(f"tracker {self.name}: {reason}"))
