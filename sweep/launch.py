"""One run of the driver from a command: signals, progress, the benchmark phase, the closing words."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from types import FrameType

import typer
from rich.console import Console

from results_db.rows import Counts
from results_db.states import State
from results_db.store import Store
from sweep import session
from sweep.driver import Driver, Settings
from sweep.notices import Report
from sweep.progress import Display
from sweep.quality_phase import measure_quality


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
    data: session.Data,
    wanted: Launch,
    *,
    quiet: bool = False,
    only: frozenset[int] | None = None,
) -> Report:
    """Train what is missing, measure what has no figure on a test set yet, then measure speed.

    Ctrl-C once stops cleanly, twice at once.
    """
    report = Report()
    console = Console(stderr=True)
    try:
        missing = session.missing(store, sweep_id, data, only)
        if missing:
            report = _train(store, sweep_id, data, wanted, console, quiet, only, len(missing))
        if not report.interrupted:
            measure_quality(store, sweep_id, data.tests, only, quiet=quiet)
        if wanted.benchmark and not report.interrupted:
            from sweep.speed_phase import measure_speed

            measure_speed(store, sweep_id, wanted.device, quiet=quiet)
    except KeyboardInterrupt:
        report.interrupted = True
    return report


def _train(
    store: Store,
    sweep_id: int,
    data: session.Data,
    wanted: Launch,
    console: Console,
    quiet: bool,
    only: frozenset[int] | None,
    total: int,
) -> Report:
    settings = Settings(wanted.pack_size, wanted.max_attempts, wanted.timeout, device="cuda" if wanted.gpus else "cpu")
    carried = session.worker_data(data, max(1, int(wanted.cpus)), wanted.data_via, wanted.data_root)
    # Ray prints its own news ("a worker died") on stdout, which belongs to --json.
    with redirect_stdout(sys.stderr), ExitStack() as leaving:
        stop = leaving.enter_context(_signals(console))
        leaving.callback(_leave)
        executor = session.make_executor(wanted.executor, carried, wanted.address, wanted.cpus, wanted.gpus)
        display = leaving.enter_context(Display(total, console, quiet))
        driver = session.make_driver(store, sweep_id, data, executor, settings, display, only)
        stop.driver = driver
        return driver.run()


def _leave() -> None:
    from sweep import cluster

    cluster.disconnect()


@dataclass
class _Stop:
    """Who is told of Ctrl-C; nobody while the cluster is still being joined."""

    driver: Driver | None = None
    asked: int = 0


@contextmanager
def _signals(console: Console) -> Iterator[_Stop]:
    """The first Ctrl-C stops cleanly, the second at once, also while the workers are being given back."""
    stop = _Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.asked += 1
        if stop.asked > 1:
            os._exit(130)
        if stop.driver is None:
            raise KeyboardInterrupt
        stop.driver.stop()
        console.print("stopping; once more stops at once (nothing that is done is lost)")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(
    store: Store, sweep_id: int, report: Report, db: str, as_json: bool, only: frozenset[int] | None = None
) -> None:
    """The closing words and the exit status: 130 after Ctrl-C, 1 when trials stay failed (of ``only``, if given)."""
    whole = store.counts(sweep_id)
    counts = _counts(store, sweep_id, only) if only is not None else whole
    row = store.sweep(sweep_id)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "sweep": row.name,
                    "planned": counts.planned,
                    "done": counts.done,
                    "failed": counts.failed,
                    "running": counts.running,
                    "pending": counts.pending,
                    "seconds": round(report.seconds, 1),
                    "interrupted": report.interrupted,
                }
            )
        )
    else:
        console = Console(stderr=True)
        console.print(f"{counts.done} of {counts.planned} done, {counts.failed} failed ({report.seconds:.0f} s)")
        others = whole.planned - whole.done - (counts.planned - counts.done)
        if others:
            console.print(f"{others} more trials of {row.name} were not asked for here; they stay as they are")
        shown = f" --db {store.url}" if db else ""
        if report.interrupted:
            console.print(f"go on with: sweep resume{shown}", highlight=False)
        elif counts.failed:
            console.print(f"see why with: sweep status --failed{shown}", highlight=False)
        else:
            console.print(f"draw it with: sweep plot pareto{shown} --out pareto.png", highlight=False)
    if report.interrupted:
        raise typer.Exit(130)
    if counts.failed:
        raise typer.Exit(1)


def _counts(store: Store, sweep_id: int, only: frozenset[int]) -> Counts:
    found = Counter(row.state for row in store.trials(sweep_id) if row.id in only)
    return Counts(sum(found.values()), *(found[state] for state in State))
