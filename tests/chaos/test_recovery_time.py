"""The recovery of a fault is counted from the moment it happened, not from the preparations for it."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from results_db.store import Store
from search_space.facts import Done
from tests.chaos import experiment
from tests.chaos.faults import Hit
from tests.chaos.wanted import Outcome, Wanted
from tests.sweep_tests.kit import planned

PREPARED_S = 4.0


def done(store: Store) -> None:
    """One more trial is done."""
    (claim, *_) = store.claim([store.missing(1)[0].id], "driver", 60)
    store.record([Done(claim.trial, claim.attempt, (), (), 1.0, 3, "node")])


@pytest.mark.parametrize(("tells", "least", "most"), [(True, 0.0, PREPARED_S), (False, PREPARED_S, 60.0)])
def test_what_prepares_a_fault_is_no_recovery(tmp_path, monkeypatch, tells, least, most):
    url = f"sqlite:///{tmp_path / 's.db'}"

    def fault(scene: Any) -> Hit:
        time.sleep(PREPARED_S)
        threading.Timer(1.5, done, [store]).start()
        return Hit("prepared", at=time.monotonic() if tells else None)

    monkeypatch.setitem(experiment.FAULTS, "prepared", fault)
    outcome, supervisor = Outcome(2), cast(Any, SimpleNamespace(pids=lambda: [1]))
    with Store.open(url) as store:
        planned(store, 4)
        done(store)
        scene = cast(Any, SimpleNamespace(url=url))
        experiment._inject(Wanted(4, ("prepared",)), scene, supervisor, outcome, print, time.monotonic() + 60)
    (event,) = outcome.events
    assert event.recovered and least < event.seconds < most
