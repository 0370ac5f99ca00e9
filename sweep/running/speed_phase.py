"""The speed phase: after training, this machine measures every config of the sweep with the device to itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import Progress

from results_db.states import State
from search_space import parse_id
from sweep.planning.open_sweep import OpenSweep
from sweep.speed.job import BenchmarkJob
from sweep.speed.measure_missing import device_name, measure_missing
from workers.benchmark import protocol


def measure_speed(
    sweep: OpenSweep,
    device: str | None = None,
    speed_protocol: str | None = None,
    *,
    quiet: bool = False,
    measured_configs: Callable[[Sequence[str]], None] = lambda configs: None,
) -> int:
    """Measure the sweep's finished configs without a speed on ``device``; returns how many were measured.

    ``speed_protocol`` is the name of a protocol, by default the one stored with the sweep. Configs that could not
    be measured are named on stderr, as is waiting for another benchmark. ``measured_configs`` gets the ids of those
    that were measured.
    """
    chosen = protocol(speed_protocol or sweep.speed_protocol)
    job = BenchmarkJob((), device or device_name(), protocol=chosen)
    # All of the sweep, not only the trials of this call: an earlier call may have ended before its speed phase.
    finished = sweep.store.trials(sweep.id, (State.DONE,))
    configs = [parse_id(config) for config in sorted({row.key.config for row in finished})]
    with Progress(console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task(f"measuring speed on {job.device} ({chosen.name})", visible=False)

        def progress(measured: int, total: int) -> None:
            bar.update(task, completed=measured, total=total, visible=True)

        def notice(text: str) -> None:
            bar.console.print(text, style="yellow", markup=False, highlight=False)

        speeds = measure_missing(sweep.store, configs, job, progress=progress, notice=notice).speeds
    measured_configs([speed.config for speed in speeds])
    return len(speeds)
