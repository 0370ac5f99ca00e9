"""One run of a sweep from a command: training, then the quality phase, then the speed phase."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass

from rich.console import Console

from results_db.rescue import rescue
from search_space.errors import StoreError, StoreLost, SweepError
from sweep.executors import by_name
from sweep.planning.open_sweep import OpenSweep
from sweep.planning.packs import DEFAULT_PACK_SIZE
from sweep.running.driver import STOPPING_STORE_S, Driver, DriverSettings
from sweep.running.events import Report
from sweep.running.progress import Display
from sweep.running.quality_phase import measure_quality
from sweep.running.signals import stop_on_signal
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

    def __post_init__(self) -> None:
        """Raises SweepError for a value that is too small or not a number, and for an executor that there is not."""
        by_name.check_name(self.executor)
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
        )


def launch(
    sweep: OpenSweep, how: Launch, *, quiet: bool = False, on_forced_exit: Callable[[], None] | None = None
) -> Report:
    """Train what is missing, measure on test sets without measurements, then measure speed.

    The first Ctrl-C stops cleanly, the second at once. ``on_forced_exit`` is called when a clean stop takes too
    long, and then the process ends; without it the process is never ended.
    """
    report = Report()
    try:
        missing = len(sweep.missing())
        if missing:
            report = _train(sweep, how, missing, quiet, on_forced_exit)
        if not report.interrupted:
            measure_quality(sweep, quiet=quiet)
        if how.benchmark and not report.interrupted:
            from sweep.running.speed_phase import measure_speed

            measure_speed(sweep, how.device, how.speed_protocol, quiet=quiet)
        sweep.store.database.check_present()
    except StoreLost as lost:
        raise StoreError(f"{lost}; {rescue(sweep.store, sweep.row, error=lost)}") from None
    except KeyboardInterrupt:
        sweep.store.limit_waits(STOPPING_STORE_S)
        report.interrupted = True
    return report


def _train(
    sweep: OpenSweep, how: Launch, missing: int, quiet: bool, on_forced_exit: Callable[[], None] | None
) -> Report:
    console = Console(stderr=True)
    data = by_name.worker_data(sweep.data, max(1, int(how.cpus)), how.data_via, how.data_root)
    # Ray prints its own messages ("a worker died") on stdout, which belongs to --json.
    with redirect_stdout(sys.stderr), ExitStack() as cleanup:
        stop = cleanup.enter_context(stop_on_signal(console, on_forced_exit))
        cleanup.callback(disconnect)
        executor = by_name.make_executor(how.executor, data, how.address, how.cpus, how.gpus)
        display = cleanup.enter_context(Display(missing, console, quiet))
        driver = Driver(sweep, executor, how.driver_settings, display)
        stop.stops(driver)
        return driver.run()


def disconnect() -> None:
    """Leave the Ray cluster, if this process joined or started one."""
    if "ray" in sys.modules:
        from sweep.executors import cluster

        cluster.disconnect()
