"""A look at the store from outside, while the sweep runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from results_db.schema import attempt
from results_db.store import Store
from search_space.errors import StoreError
from tests.chaos.faults import Hit
from tests.chaos.wanted import CONFIGS


def planned(url: str) -> int:
    try:
        with Store.open(url, readonly=True) as store:
            return store.counts().planned
    except StoreError:
        return 0


class Watch:
    """Looks at the store from outside, and gives the sweep more to do while there are faults left."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.seeds = 0
        self.growing = True

    def _read(self, query: Any) -> list[Any]:
        try:
            with Store.open(self._url, readonly=True, busy_timeout_s=1, reconnect_s=5) as store:
                return list(store.database.read(lambda c: c.execute(query).all()))
        except StoreError:
            return []

    def finished(self) -> set[tuple[int, int, str]]:
        """(trial, attempt, node) of every attempt that is done."""
        rows = self._read(
            select(attempt.c.trial_id, attempt.c.number, attempt.c.node).where(attempt.c.outcome == "done")
        )
        return {(row[0], row[1], row[2]) for row in rows}

    def mark(self) -> set[tuple[int, int]]:
        """The attempts there are now."""
        query = select(attempt.c.trial_id, attempt.c.number)
        limit = time.monotonic() + 20
        while not (rows := self._read(query)) and time.monotonic() < limit:
            time.sleep(0.2)
        return {(row[0], row[1]) for row in rows}

    def works(self, hit: Hit, before: set[tuple[int, int]]) -> bool:
        """Whether an attempt begun since is done, on the machine that was hit."""
        return any(
            (number, count) not in before and (hit.machine is None or node == hit.machine.name)
            for number, count, node in self.finished()
        )

    def top_up(self) -> None:
        """Plan four more seeds when little is left, as a second ``sweep run`` of the same sweep would."""
        try:
            with Store.open(self._url, busy_timeout_s=1, reconnect_s=5) as store:
                counts = store.counts()
                self.seeds = counts.planned // CONFIGS
                if counts.planned == 0 or counts.pending > 80:
                    return
                keys = [row.key for row in store.trials() if row.key.seed == 0]
                more = range(self.seeds, self.seeds + 4)
                store.plan(1, [replace(key, seed=seed) for seed in more for key in keys])
        except StoreError:
            return

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if condition():
                return True
            if self.growing:
                self.top_up()
            time.sleep(0.3)
        return False
