"""A finished sweep of tiny networks to be tracked, and a tracker that keeps what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from results_db.records import SweepRow
from results_db.store import Store
from search_space.facts import Speed
from sweep.tracking.tracker import SweepEnd, TrackedSweep, TrackedTrial, Tracker
from tests.sweep_tests.kit import RECIPE, driver, planned

RESUME = "sweep resume --name tiny --db s.db"


def trained(store: Store, count: int = 3) -> SweepRow:
    """The row of a sweep whose trials are all trained, with a loss curve and a speed each."""
    sweep_id = planned(store, count, RECIPE.with_changes(steps=30))
    report = driver(store, sweep_id).run()
    assert report.done == count
    configs = sorted({row.key.config for row in store.trials(sweep_id)})
    store.add_speeds([Speed(config, "board", "eager", "fp32", "qhd5", 20.0 + i) for i, config in enumerate(configs)])
    return store.sweep(sweep_id)


@dataclass
class Told(Tracker):
    """Keeps what it is told."""

    where: str = ""
    sweeps: list[TrackedSweep] = field(default_factory=list)
    trials: list[TrackedTrial] = field(default_factory=list)
    ends: list[SweepEnd] = field(default_factory=list)

    def start(self, sweep: TrackedSweep) -> None:
        self.sweeps.append(sweep)

    def put(self, trial: TrackedTrial) -> None:
        self.trials.append(trial)

    def end(self, end: SweepEnd) -> None:
        self.ends.append(end)
