"""One run of the driver from a command: signals, progress, the quality and the benchmark phase."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from types import FrameType

from rich.console import Console

from results_db.store import Store
from sweep.planning import stored_plan
from sweep.planning.data import Data
from sweep.running import wiring
from sweep.running.driver import HURRY_S, Driver, Settings
from sweep.running.events import Report
from sweep.running.progress import Display
from sweep.running.quality_phase import measure_quality

LEAVE_S = 8.0
"""After the first Ctrl-C: how long a clean stop may take."""


@dataclass(frozen=True)
class Launch:
    """How to run, as asked on the command line."""

    executor: str = "actors"
    address: str = "local"
    cpus: float = 1.0
    gpus: float = 0.0
    pack_size: int = 48
    max_attempts: int = 3
    timeout: float = 0.0
    benchmark: bool = True
    device: str | None = None
    data_via: str = "store"
    """How images reach the workers: ``store`` (Ray's), ``path`` or a URL."""
    data_root: str | None = None


def launch(
    store: Store,
    sweep_id: int,
    data: Data,
    wanted: Launch,
    *,
    quiet: bool = False,
    only: frozenset[int] | None = None,
    parting: Callable[[], None] = lambda: None,
) -> Report:
    """Train what is missing, measure what has no figure on a test set yet, then measure speed.

    Ctrl-C once stops cleanly, twice at once. ``parting`` says how to go on when stopping takes too long, and the
    process ends there and then.
    """
    report = Report()
    console = Console(stderr=True)
    try:
        missing = stored_plan.missing(store, sweep_id, data, only)
        if missing:
            report = _train(store, sweep_id, data, wanted, console, quiet, only, len(missing), parting)
        if not report.interrupted:
            measure_quality(store, sweep_id, data.tests, only, quiet=quiet)
        if wanted.benchmark and not report.interrupted:
            from sweep.running.speed_phase import measure_speed

            measure_speed(store, sweep_id, wanted.device, quiet=quiet)
    except KeyboardInterrupt:
        store.limit_waits(HURRY_S)
        report.interrupted = True
    return report


def _train(
    store: Store,
    sweep_id: int,
    data: Data,
    wanted: Launch,
    console: Console,
    quiet: bool,
    only: frozenset[int] | None,
    total: int,
    parting: Callable[[], None],
) -> Report:
    settings = Settings(wanted.pack_size, wanted.max_attempts, wanted.timeout, device="cuda" if wanted.gpus else "cpu")
    carried = wiring.worker_data(data, max(1, int(wanted.cpus)), wanted.data_via, wanted.data_root)
    # Ray prints its own news ("a worker died") on stdout, which belongs to --json.
    with redirect_stdout(sys.stderr), ExitStack() as leaving:
        stop = leaving.enter_context(_signals(console, parting))
        leaving.callback(_leave)
        executor = wiring.make_executor(wanted.executor, carried, wanted.address, wanted.cpus, wanted.gpus)
        display = leaving.enter_context(Display(total, console, quiet))
        driver = wiring.make_driver(store, sweep_id, data, executor, settings, display, only)
        stop.driver = driver
        return driver.run()


def _leave() -> None:
    from sweep.executors import cluster

    cluster.disconnect()


@dataclass
class _Stop:
    """Who is told of Ctrl-C; nobody while the cluster is still being joined."""

    driver: Driver | None = None
    asked: int = 0


@contextmanager
def _signals(console: Console, parting: Callable[[], None]) -> Iterator[_Stop]:
    """The first Ctrl-C stops cleanly, the second at once, also while the workers are being given back."""
    stop = _Stop()

    def leave() -> None:
        parting()
        sys.stderr.flush()
        os._exit(130)

    # A server that swallows packets, a cluster that does not let go: whatever it is, it does not keep anybody.
    limit = threading.Timer(LEAVE_S, leave)
    limit.daemon = True

    def handle(number: int, frame: FrameType | None) -> None:
        stop.asked += 1
        if stop.asked > 1:
            os._exit(130)
        if stop.driver is None:
            raise KeyboardInterrupt
        stop.driver.stop()
        limit.start()
        console.print("stopping; once more stops at once (nothing that is done is lost)")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        limit.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
