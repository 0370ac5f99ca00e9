"""What trackers are told of a search: its trainings are sweeps like any other."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial

from rich.console import Console

from sweep.planning.open_sweep import OpenSweep
from sweep.running.events import Report
from sweep.running.launch import Launch, finish, warn
from sweep.tracking.tracking import Tracking


@dataclass
class Telling:
    """The trackers of a search's sweeps; each is started with its first batch and told its end by ``close``."""

    how: Launch
    total: Report = field(default_factory=Report)
    """Of all batches so far."""
    _sweeps: dict[int, tuple[OpenSweep, Tracking]] = field(default_factory=dict)

    def of(self, sweep: OpenSweep) -> Tracking:
        """The trackers of a sweep."""
        if sweep.id not in self._sweeps:
            # Trackers print; stdout belongs to --json.
            with redirect_stdout(sys.stderr):
                tracking = Tracking(sweep.store, sweep.row, self.how.track, partial(warn, Console(stderr=True)))
            self._sweeps[sweep.id] = (sweep, tracking)
        return self._sweeps[sweep.id][1]

    def add(self, report: Report) -> None:
        """A batch ended."""
        self.total.seconds += report.seconds
        self.total.interrupted |= report.interrupted

    def close(self) -> None:
        """The search is over. Waits a bounded time until the trackers know."""
        with redirect_stdout(sys.stderr):
            for sweep, tracking in self._sweeps.values():
                finish(tracking, sweep, self.how, self.total)
        self._sweeps.clear()
