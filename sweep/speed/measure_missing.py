"""The one driver of the benchmark: find configs without a stored speed, measure them, store speeds as they come."""

from __future__ import annotations

import platform
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from results_db.store import Store
from search_space.config import Config
from search_space.facts import Speed
from sweep.speed.job import BenchmarkJob, Groups, Notice, measure_here
from sweep.speed.ties import mark_ties
from workers.benchmark import REFERENCE


@dataclass(frozen=True)
class Measured:
    """What became of a job."""

    speeds: tuple[Speed, ...]
    """As they are stored, with their ties marked."""
    failed: Mapping[str, str]
    """Configs that could not be measured, and why."""
    interrupted: bool
    """Whether Ctrl-C ended it; the speeds until then are stored."""


def missing_job(
    store: Store, configs: Sequence[Config], job: BenchmarkJob, *, again: bool = False, disturbed: bool = False
) -> BenchmarkJob:
    """``job`` for those of ``configs`` that have no stored speed of its kind; ``again`` takes all of them.

    ``disturbed`` also takes those whose stored speed is marked as disturbed. The job also gets the
    usual time of the reference network, from stored speeds of the kind.
    """
    stored = store.speeds(device=job.device, backend=job.backend, precision=job.precision, protocol=job.protocol.name)
    done = {speed.config for speed in stored if not (disturbed and speed.detail.get("disturbed"))}
    left = [config for config in configs if again or config.id not in done]
    return replace(job.of(left), reference_seconds=usual_reference_seconds(stored))


def disturbed_configs(store: Store, job: BenchmarkJob) -> tuple[str, ...]:
    """Ids whose stored speed of the job's kind is marked as disturbed."""
    stored = store.speeds(device=job.device, backend=job.backend, precision=job.precision, protocol=job.protocol.name)
    return tuple(speed.config for speed in stored if speed.detail.get("disturbed"))


def run_job(
    store: Store,
    job: BenchmarkJob,
    measure: Callable[[BenchmarkJob, Notice | None], Groups] = measure_here,
    *,
    progress: Callable[[int], None] = lambda measured: None,
    notice: Notice | None = None,
) -> Measured:
    """Measure a job and store each group of speeds at once; then mark ties among all stored speeds of the kind.

    ``progress`` gets the number of configs measured so far. Raises BadData, MissingExtra, StoreError.
    """
    # The second measurement of a config that was disturbed takes the place of the first.
    speeds: dict[str, Speed] = {}
    failed: dict[str, str] = {}
    interrupted = False
    if job.ids:
        try:
            for group, not_measured in measure(job, notice):
                failed = not_measured
                if group:
                    store.add_speeds(group)
                    speeds |= {speed.config: speed for speed in group}
                    progress(len(speeds))
        except KeyboardInterrupt:
            interrupted = True
    return Measured(tuple(mark_ties(store, speeds.values())), failed, interrupted)


def measure_missing(
    store: Store,
    configs: Sequence[Config],
    job: BenchmarkJob,
    *,
    progress: Callable[[int, int], None] = lambda measured, total: None,
    notice: Notice | None = None,
) -> Measured:
    """Measure those of ``configs`` without a stored speed of the job's kind, on this machine.

    ``progress`` gets how many are measured and how many there are; ``notice`` also gets each config that could not
    be measured, with the reason. Raises KeyboardInterrupt after Ctrl-C; what was measured is stored.
    """
    missing = missing_job(store, configs, job)
    total = len(missing.ids)
    if total:
        progress(0, total)
    measured = run_job(store, missing, progress=lambda done: progress(done, total), notice=notice)
    if measured.interrupted:
        raise KeyboardInterrupt
    if notice is not None:
        for config, reason in measured.failed.items():
            notice(f"{config} was not measured: {reason}")
    return measured


def usual_reference_seconds(stored: Sequence[Speed]) -> float | None:
    """Seconds of the reference network when nothing disturbed it, from stored speeds of one kind; None without any."""
    seconds = [
        speed.detail.get("reference_usual_seconds") for speed in stored if speed.detail.get("reference") == REFERENCE
    ]
    return min((value for value in seconds if isinstance(value, float) and value > 0), default=None)


def device_name() -> str:
    """The name this machine's speeds are stored under unless the user gives one."""
    return f"{socket.gethostname()}-{platform.machine()}"
