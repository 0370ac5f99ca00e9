"""One run of a sweep from a command: training, then the quality phase, then the speed phase."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout, suppress
from functools import partial

from rich.console import Console

from results_db.rescue import rescue
from search_space.errors import StoreError, StoreLost, SweepError, first_line
from sweep.planning.open_sweep import OpenSweep
from sweep.running.driver import STOPPING_STORE_S, Driver
from sweep.running.energy import meter
from sweep.running.events import DriverEvent, EventKind, Report
from sweep.running.launch_options import Launch as Launch
from sweep.running.log_file import LogFile, log_path
from sweep.running.progress import Display
from sweep.running.quality_phase import measure_quality
from sweep.running.resume_command import resume_command
from sweep.running.signals import stop_on_signal
from sweep.tracking.tracking import Tracking


def launch(
    sweep: OpenSweep, how: Launch, *, quiet: bool = False, on_forced_exit: Callable[[], None] | None = None
) -> Report:
    """Train what is missing, measure on test sets without measurements, then measure speed.

    The first Ctrl-C stops cleanly, the second at once. ``on_forced_exit`` is called when a clean stop takes too
    long, and then the process ends; without it the process is never ended.
    """
    console = Console(stderr=True)
    with ExitStack() as cleanup:
        tracking = Tracking(sweep.store, sweep.row, how.track, partial(warn, console))
        if how.track:
            # Trackers print; stdout belongs to --json.
            cleanup.enter_context(redirect_stdout(sys.stderr))
        report = Report()
        try:
            report = _run_phases(sweep, how, console, tracking, quiet, on_forced_exit)
        except SweepError as error:
            finish(tracking, sweep, how, report, first_line(error))
            raise
        finish(tracking, sweep, how, report)
        return report


def _run_phases(
    sweep: OpenSweep,
    how: Launch,
    console: Console,
    tracking: Tracking,
    quiet: bool,
    on_forced_exit: Callable[[], None] | None,
) -> Report:
    report = Report()
    try:
        missing = sweep.to_do().total()
        if missing:
            report = _train(sweep, how, missing, console, tracking, quiet, on_forced_exit)
        if not report.interrupted:
            measure_quality(sweep, quiet=quiet, measured_trial=tracking.put)
        if how.benchmark and not report.interrupted:
            from sweep.running.speed_phase import measure_speed

            measure_speed(sweep, how.device, how.speed_protocol, quiet=quiet, measured_configs=tracking.put_configs)
        sweep.store.database.check_present()
    except StoreLost as lost:
        raise StoreError(f"{lost}; {rescue(sweep.store, sweep.row, error=lost)}") from None
    except KeyboardInterrupt:
        sweep.store.limit_waits(STOPPING_STORE_S)
        report.interrupted = True
    return report


def finish(tracking: Tracking, sweep: OpenSweep, how: Launch, report: Report, error: str = "") -> None:
    """Tell the trackers that the run is over, as far as the store can still say how."""
    if not how.track:
        return
    counts = None
    with suppress(StoreError):
        counts = sweep.counts()
    resume = resume_command(sweep.row, how, sweep.store.database.address.whole).command
    tracking.finish(counts, resume, report.seconds, report.interrupted, error)


def warn(console: Console, text: str) -> None:
    """One line for a person, on stderr."""
    console.print(text, style="yellow", markup=False, highlight=False)


def _train(
    sweep: OpenSweep,
    how: Launch,
    missing: int,
    console: Console,
    tracking: Tracking,
    quiet: bool,
    on_forced_exit: Callable[[], None] | None,
) -> Report:
    # Ray prints its own messages ("a worker died") on stdout, which belongs to --json.
    with redirect_stdout(sys.stderr), ExitStack() as cleanup:
        stop = cleanup.enter_context(stop_on_signal(console, on_forced_exit))
        cleanup.callback(disconnect)
        log = cleanup.enter_context(LogFile(log_path(sweep.store.database.address)))
        log.say(f"sweep {sweep.name}: {missing} trials to do")

        def say(line: str) -> None:
            log.say(line)
            if not quiet:
                console.print(line, markup=False, highlight=False)

        energy = meter(gpus=how.gpus is None or how.gpus > 0) if how.address == "local" else None
        executor = how.start_workers(sweep.data, sweep.recipe.precision, say)
        display = cleanup.enter_context(Display(missing, console, quiet, verbose=how.verbose))

        def listen(event: DriverEvent) -> None:
            log(event)
            display(event)
            if energy is not None:
                energy.tick()
            if event.kind in (EventKind.DONE, EventKind.FAILED):
                tracking.put(event.trial)

        driver = Driver(sweep, executor, how.driver_settings, listen)
        stop.stops(driver)
        report = driver.run()
        how_it_ended = "stopped" if report.interrupted else "ended"
        log.say(f"{how_it_ended} after {report.seconds:.0f} s: {report.done} done, {report.failed} failed")
        joules = energy.joules() if energy is not None else None
        if joules is not None:
            with suppress(StoreError):
                sweep.store.add_energy(sweep.id, joules)
        return report


def disconnect() -> None:
    """Leave the Ray cluster, if this process joined or started one."""
    if "ray" in sys.modules:
        from sweep.executors import cluster

        cluster.disconnect()
