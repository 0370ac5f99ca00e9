"""Measure many configs in groups, whose networks take turns with a reference; disturbed ones once more at the end."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch

from search_space import parse_id
from search_space.config import Config
from search_space.errors import BadData, SweepError, first_line
from search_space.facts import Speed
from workers.backends.core import Backend, find
from workers.benchmark.clock import stopwatch
from workers.benchmark.disturbance import CpuWatch
from workers.benchmark.figures import speed, with_ties
from workers.benchmark.lock import whole_machine
from workers.benchmark.memory import PeakMemory
from workers.benchmark.protocols import FULLHD14, SpeedProtocol
from workers.benchmark.subject import Subject, prepare, warm_up
from workers.sensors import Sensors, find_sensors
from workers.timing.energy import idle_power, run_power
from workers.timing.malloc import keep_freed_memory
from workers.timing.sensor_summary import reasons
from workers.timing.turns import (
    Reference,
    ReferenceFailed,
    Stopped,
    Turn,
    take_turns,
    watched,
)

REFERENCE = "FSRCNN_s4_D6_S12_M4"
"""Looked at between the others: quick, slower by half when the cores are apart, and else as steady as the machine."""


def benchmark(
    configs: Sequence[Config],
    *,
    device_name: str,
    backend: str = "eager",
    precision: str = "fp32",
    protocol: SpeedProtocol = FULLHD14,
    compute: str = "auto",
    progress: Callable[[Speed], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> list[Speed]:
    """The speed of each config on this machine, with the whole machine to itself.

    ``progress`` is told each figure as soon as it is there (once more where a second try went better), ``notice`` what
    a person should know (waiting for the machine, a config the backend cannot run: it is left out). Configs whose
    confidence intervals overlap are marked in ``detail["tied_with"]``. Raises BadData for a backend or precision that
    this machine does not have, MissingExtra when it is not installed.
    """
    out: dict[str, Speed] = {}
    session = Session(device_name, backend, precision, protocol, compute)
    with whole_machine(notice=notice):
        for group in session.measure(configs):
            for figure in group:
                out[figure.config] = figure
                if progress is not None:
                    progress(figure)
    for config, reason in session.failed.items():
        if notice is not None:
            notice(f"{config} was not measured: {reason}")
    return with_ties(list(out.values()))


class Session:
    """One device, backend, precision and protocol; measures groups of configs."""

    def __init__(
        self,
        device_name: str,
        backend: str = "eager",
        precision: str = "fp32",
        protocol: SpeedProtocol = FULLHD14,
        compute: str = "auto",
        sensors: Sensors | None = None,
        usual: float | None = None,
    ) -> None:
        self.usual = usual
        """Seconds of the reference when nothing disturbed it, as earlier sessions saw it and then as this one did."""
        self.device, self.precision, self.protocol = device_name, precision, protocol
        self.compute = ("cuda" if torch.cuda.is_available() else "cpu") if compute == "auto" else compute
        if self.compute != "cpu" and not (self.compute.startswith("cuda") and torch.cuda.is_available()):
            raise BadData(f"this machine has no {self.compute} device that torch can use")
        if self.compute == "cpu":
            keep_freed_memory()
        self.backend: Backend = find(backend)
        self.backend.refuse(precision, self.compute, protocol.channels_last)
        self.threads = protocol.threads or usable_cores()
        self.watch = stopwatch(self.compute)
        self.sensors = sensors if sensors is not None else find_sensors(self.compute)
        self.failed: dict[str, str] = {}
        """Configs that could not be measured, with one line each."""

    def measure(self, configs: Sequence[Config]) -> Iterator[list[Speed]]:
        """The figures, a group at a time, without those in ``failed``.

        Configs that were disturbed to the end are measured once more when all others are; the better figure comes then,
        and takes the place of the first.
        """
        if not configs:
            return
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            self.idle_w = idle_power(self.sensors)
            reference = self._reference()
            reference.learn()
            spoilt: dict[str, Speed] = {}
            for group in self._groups(configs):
                figures = self._group(group, reference)
                spoilt |= {one.config: one for one in figures if one.detail["disturbed"]}
                yield figures
            # Worth another try where quiet is the rule; a machine that is never quiet gets no better.
            if 2 * len(spoilt) <= len(configs):
                for group in self._groups([one for one in configs if one.id in spoilt]):
                    yield [one for one in self._group(group, reference) if _better(spoilt[one.config], one)]
            for config in spoilt:
                # If it failed this time, it has a figure all the same.
                self.failed.pop(config, None)
        except ReferenceFailed as error:
            raise BadData(f"{self.backend.name}: {error}") from error
        finally:
            torch.set_num_threads(before)

    def _groups(self, configs: Sequence[Config]) -> Iterator[Sequence[Config]]:
        for start in range(0, len(configs), self.protocol.group):
            yield configs[start : start + self.protocol.group]
            gc.collect()

    def _subject(self, config: Config) -> Subject:
        memory = PeakMemory(self.compute, self.backend.in_torch)
        memory.start()
        frame = prepare(config, self.protocol, self.backend, self.precision, self.compute, self.threads)
        warm, steady = warm_up(frame, self.watch, self.protocol)
        return Subject(config, frame, warm, steady, memory.stop(), memory.why)

    def _reference(self) -> Reference:
        try:
            return Reference(self._turn(self._subject(parse_id(REFERENCE))), self.usual)
        except SweepError:
            raise
        except Exception as error:
            raise BadData(
                f"{self.backend.name} cannot run the reference {REFERENCE} here: {first_line(error)}"
            ) from error

    def _subjects(self, configs: Sequence[Config]) -> list[Subject]:
        made = []
        for config in configs:
            try:
                made.append(self._subject(config))
            # One network a runtime cannot take must not cost the other thousand, and runtimes (ONNX Runtime's errors
            # are plain exceptions) raise whatever they like.
            except Exception as error:
                self.failed[config.id] = first_line(error)
        return made

    def _group(self, configs: Sequence[Config], reference: Reference) -> list[Speed]:
        """The figures of those that run to the end; one that stops on the way is left out, the others start anew."""
        subjects = self._subjects(configs)
        while subjects:
            try:
                return self._figures(subjects, reference)
            except Stopped as stopped:
                self.failed[subjects.pop(stopped.place).config.id] = first_line(stopped.error)
        return []

    def _figures(self, subjects: Sequence[Subject], reference: Reference) -> list[Speed]:
        turns = [self._turn(subject) for subject in subjects]
        choices = take_turns(turns, self.protocol.rounds, reference, CpuWatch, self.sensors.read)
        self.usual = reference.usual
        if self.idle_w is not None:
            for place, subject in enumerate(subjects):
                with watched(place):
                    subject.energy = run_power(subject.frame, self.watch, self.sensors, self.idle_w)
        fixed: dict[str, Any] = {
            "device": self.device,
            "backend": self.backend.name,
            "precision": self.precision,
            "protocol": self.protocol.name,
        }
        return [
            speed(subject, choice, self.protocol.batch, os.cpu_count() or 1, fixed, self._about(subject))
            for subject, choice in zip(subjects, choices, strict=True)
        ]

    def _turn(self, subject: Subject) -> Turn:
        return partial(subject.visit, self.watch, self.protocol.frames)

    def _about(self, subject: Subject) -> dict[str, Any]:
        """Detail that does not come from the rounds."""
        return {
            "compute": self.compute,
            "threads": self.threads,
            "batch": self.protocol.batch,
            "output": [self.protocol.width, self.protocol.height],
            "reference": REFERENCE,
            "reference_usual_seconds": self.usual,
            "idle_w": self.idle_w,
            "sensors": [part.name for part in self.sensors.parts],
            "torch": torch.__version__,
            "missing": reasons(self.sensors, subject.energy, subject.no_memory),
        }


def _better(first: Speed, second: Speed) -> bool:
    """Whether the second try at a config that was disturbed is undisturbed or had the quicker reference."""
    return not second.detail["disturbed"] or second.detail["reference_seconds"] < first.detail["reference_seconds"]


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
