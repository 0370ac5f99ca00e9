"""The pending trials of a sweep, read from the store in parts: a driver never holds a million of them."""

from __future__ import annotations

from dataclasses import dataclass

from results_db.records import TrialRow
from results_db.states import State
from sweep.planning.open_sweep import OpenSweep

LEAST = 20_000
"""Trials that are read at a time at least: a sweep of the paper's space is planned as a whole."""
PACKS_PER_WORKER = 4
"""So many of each worker are read at a time at least."""


@dataclass
class Backlog:
    """Begins with the first trial, and reads on from where it stopped."""

    sweep: OpenSweep
    more: bool = True
    """Whether there may be trials that were not read."""
    _after: int = 0
    """Id of the last trial that was read."""

    def read(self, least: int) -> list[TrialRow]:
        """The next ``least`` trials to work on or some more, in planned order; fewer only at the end.

        Raises StoreError; it may be repeated then.
        """
        after, more, rows = self._after, True, list[TrialRow]()
        while more and len(rows) < least:
            page = self.sweep.store.page(self.sweep.id, State.PENDING, after, least)
            after, more = page[-1].id if page else after, len(page) == least
            rows += self.sweep.workable(page)
        self._after, self.more = after, more
        return rows


def read_ahead(slots: int, pack_size: int) -> int:
    """How many trials a driver with ``slots`` workers reads at a time.

    >>> read_ahead(2, 48), read_ahead(1000, 48)
    (20000, 192000)
    """
    return max(LEAST, PACKS_PER_WORKER * slots * pack_size)
