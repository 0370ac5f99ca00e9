"""Renewing leases from a thread of its own, so that a busy driver does not lose its trials."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import TracebackType

from results_db.records import Claim
from results_db.store import Store
from search_space.errors import StoreError, StoreLost

RENEWALS_PER_LEASE = 4
PORTION = 1000
"""Leases renewed in one transaction: it locks their rows, and results of these trials wait for its end."""


class LeaseKeeper:
    """Renews leases four times per lease, also while the driver trains in its own process or waits for the store."""

    def __init__(self, store: Store, owner: str, lease_s: float) -> None:
        self._store, self._owner, self._lease_s = store, owner, lease_s
        self._claims: dict[int, Claim] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._lost: StoreLost | None = None
        self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)

    def add(self, claims: Iterable[Claim]) -> None:
        """Renew the leases of these claims from now on."""
        with self._lock:
            self._claims |= {claim.trial: claim for claim in claims}

    def remove(self, claims: Iterable[Claim]) -> None:
        """Stop renewing: their outcome is stored, or they are released."""
        with self._lock:
            for claim in claims:
                self._claims.pop(claim.trial, None)

    def check(self) -> None:
        """Raise StoreLost when the last renewal found that the store is lost."""
        if self._lost is not None:
            raise self._lost

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join(timeout=2)

    def _renew(self) -> None:
        while not self._closed.wait(self._lease_s / RENEWALS_PER_LEASE):
            with self._lock:
                claims = list(self._claims.values())
            if claims:
                # A store that does not answer now is tried again next time: a lease lasts for three failed renewals.
                try:
                    for start in range(0, len(claims), PORTION):
                        self._store.extend_lease(claims[start : start + PORTION], self._owner, self._lease_s)
                except StoreLost as lost:
                    self._lost = lost
                except StoreError:
                    pass
