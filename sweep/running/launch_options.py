"""How a sweep is run, as asked for on the command line or in a call."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from search_space.errors import SweepError
from sweep.executors import by_name
from sweep.executors.core import Executor
from sweep.planning.data import Data
from sweep.running.driver import DriverSettings
from sweep.tracking.tracking import check as check_trackers
from workers.checkpointing import CHECKPOINT_EVERY_S

AUTOSCALER_S = 1200.0
"""How long the first worker of a cluster may take: a cloud's machine has to start and to fetch its image."""


@dataclass(frozen=True)
class Launch:
    """How to run, as asked for on the command line."""

    executor: str = "actors"
    address: str = "local"
    cpus: float = 1.0
    gpus: float | None = None
    """Of one worker; None takes GPUs where the cluster has them and CPUs elsewhere."""
    workers: int = 0
    """Workers to have, which an autoscaler is asked for; 0 takes all that the cluster has."""
    pack_size: int | None = None
    """Most configs trained together; None: 48, and on GPUs a whole scale."""
    max_attempts: int = 3
    timeout: float = 0.0
    benchmark: bool = True
    device: str | None = None
    data_via: str = "store"
    """How images reach the workers: ``store`` (Ray's), ``path`` or a URL."""
    data_root: str | None = None
    speed_protocol: str | None = None
    """None: the one stored with the sweep."""
    checkpoint_every: float = CHECKPOINT_EVERY_S
    """Seconds between two stored states of a pack in training."""
    verbose: bool = False
    """Show every event, not only what goes wrong."""
    track: tuple[str, ...] = ()
    """Trackers that are told of the sweep, each as ``NAME`` or ``NAME=WHERE``."""

    def __post_init__(self) -> None:
        """Raises SweepError for a value that is too small or not a number, for an executor or a tracker that there is
        not; MissingExtra for a tracker whose package is not installed."""
        by_name.check_name(self.executor)
        check_trackers(self.track)
        for name, least in (("pack_size", 1), ("max_attempts", 1), ("cpus", 0.1)):
            value = getattr(self, name)
            if not (value is None or least <= value < math.inf):
                raise SweepError(f"{name} must be at least {least}, not {value}")
        for name in ("gpus", "workers", "timeout", "checkpoint_every"):
            if not (0 <= (getattr(self, name) or 0) < math.inf):
                raise SweepError(f"{name} must not be negative or endless ({getattr(self, name)})")

    @property
    def driver_settings(self) -> DriverSettings:
        """Those of the driver among them."""
        # Actors with `auto` are given what their recipe's precision needs (`start_workers`).
        on_gpus = self.executor == "actors" if self.gpus is None else self.executor != "inline" and self.gpus > 0
        return DriverSettings(
            self.pack_size,
            self.max_attempts,
            self.timeout,
            device="cuda" if on_gpus else "cpu",
            checkpoint_every_s=self.checkpoint_every,
            cpus=self.cpus,
            gpus=self.gpus or 0.0,
            start_timeout_s=DriverSettings.start_timeout_s if self.address == "local" else AUTOSCALER_S,
        )

    def start_workers(self, data: Data, precision: str, say: Callable[[str], None]) -> Executor:
        """Join the cluster and start workers that can train in ``precision``; ``say`` gets what was found.

        Raises SweepError when the cluster cannot run them.
        """
        gpus = self.gpus
        if gpus is None and precision != "fp32":
            say(f"the recipe trains in {precision}: on GPUs only")
            gpus = 1.0
        sent = by_name.worker_data(data, max(1, int(self.cpus)), self.data_via, self.data_root)
        asked = by_name.Workers(self.cpus, gpus, self.workers)
        return by_name.make_executor(self.executor, sent, self.address, asked, say)
