"""A benchmark as values: what to measure and how. It travels to a Ray node as it is, so it knows no database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from search_space import parse_id
from search_space.config import Config
from search_space.facts import Speed
from workers.benchmark import FULLHD14, SpeedProtocol

Groups = Iterator[tuple[list[Speed], dict[str, str]]]
"""Speeds as they are measured, each time with all configs that could not be measured so far and why."""
Notice = Callable[[str], None]
"""Gets what a person should know, such as waiting for another benchmark."""


@dataclass(frozen=True)
class BenchmarkJob:
    """Configs to measure on one device in one way."""

    ids: tuple[str, ...]
    device: str
    """The name that speeds are stored under."""
    backend: str = "eager"
    precision: str = "fp32"
    protocol: SpeedProtocol = FULLHD14
    compute: str = "auto"
    wait: bool = True
    """Wait for another benchmark on the machine rather than refuse."""
    reference_seconds: float | None = None
    """The usual time of the reference network on the device, from stored speeds."""

    def of(self, configs: list[Config]) -> BenchmarkJob:
        """The same way of measuring for these configs."""
        return replace(self, ids=tuple(config.id for config in configs))


def measure_here(job: BenchmarkJob, notice: Notice | None = None) -> Groups:
    """Measure on this machine, with its benchmark lock. Raises BadData, MissingExtra."""
    from workers.benchmark import Session
    from workers.benchmark.lock import whole_machine

    session = Session(job.device, job.backend, job.precision, job.protocol, job.compute, usual=job.reference_seconds)
    with whole_machine(job.wait, notice):
        for group in session.measure([parse_id(config) for config in job.ids]):
            yield group, dict(session.failed)
    yield [], dict(session.failed)
