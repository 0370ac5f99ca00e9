"""Renewing leases in the background, whatever the driver is busy with."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from types import TracebackType

from results_db.records import Claim
from results_db.store import Store
from search_space.errors import StoreError


class Heart:
    """Beats four times a lease. A driver that trains in its own process, or waits for a database, keeps its trials."""

    def __init__(self, store: Store, owner: str, lease_s: float) -> None:
        self._store, self._owner, self._lease = store, owner, lease_s
        self._held: dict[int, Claim] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="leases", daemon=True)

    def hold(self, claims: Iterable[Claim]) -> None:
        """Keep these alive from now on."""
        with self._lock:
            self._held |= {claim.trial: claim for claim in claims}

    def let_go(self, claims: Iterable[Claim]) -> None:
        """Their outcome is written, or they are given back."""
        with self._lock:
            for claim in claims:
                self._held.pop(claim.trial, None)

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join(timeout=2)

    def _beat(self) -> None:
        while not self._end.wait(self._lease / 4):
            with self._lock:
                claims = list(self._held.values())
            if claims:
                # A store that does not answer now is asked again at the next beat; a lease outlives three of them.
                with contextlib.suppress(StoreError):
                    self._store.extend_lease(claims, self._owner, self._lease)
