"""How a sweep is run, as asked for on the command line or in a call."""

from __future__ import annotations

import math
from dataclasses import dataclass

from search_space.errors import SweepError
from sweep.executors import by_name
from sweep.planning.packs import DEFAULT_PACK_SIZE
from sweep.running.driver import DriverSettings
from sweep.tracking.tracking import check as check_trackers
from workers.checkpointing import CHECKPOINT_EVERY_S


@dataclass(frozen=True)
class Launch:
    """How to run, as asked for on the command line."""

    executor: str = "actors"
    address: str = "local"
    cpus: float = 1.0
    gpus: float = 0.0
    pack_size: int = DEFAULT_PACK_SIZE
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
    track: tuple[str, ...] = ()
    """Trackers that are told of the sweep, each as ``NAME`` or ``NAME=WHERE``."""

    def __post_init__(self) -> None:
        """Raises SweepError for a value that is too small or not a number, for an executor or a tracker that there is
        not; MissingExtra for a tracker whose package is not installed."""
        by_name.check_name(self.executor)
        check_trackers(self.track)
        for name, least in (("pack_size", 1), ("max_attempts", 1), ("cpus", 0.1)):
            if not (least <= getattr(self, name) < math.inf):
                raise SweepError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("gpus", "timeout", "checkpoint_every"):
            if not (0 <= getattr(self, name) < math.inf):
                raise SweepError(f"{name} must not be negative or endless ({getattr(self, name)})")

    @property
    def driver_settings(self) -> DriverSettings:
        """Those of the driver among them."""
        device = "cuda" if self.gpus else "cpu"
        return DriverSettings(
            self.pack_size,
            self.max_attempts,
            self.timeout,
            device=device,
            checkpoint_every_s=self.checkpoint_every,
            cpus=self.cpus,
            gpus=self.gpus,
        )
