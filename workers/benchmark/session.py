"""Measure configs in groups whose networks take turns with a reference, and disturbed ones once more at the end."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import Any

import psutil
import torch

from search_space import parse_id
from search_space.config import Config
from search_space.errors import BadData, SweepError, first_line
from search_space.facts import Speed
from workers.backends.core import Backend, find
from workers.benchmark.clock import stopwatch
from workers.benchmark.disturbance import CpuWatch
from workers.benchmark.lock import whole_machine
from workers.benchmark.measurements import speed, with_ties
from workers.benchmark.memory import PeakMemory
from workers.benchmark.protocols import FULLHD14, SpeedProtocol
from workers.benchmark.subject import Subject, prepare, warm_up
from workers.device_model import cuda_state
from workers.sensors import Sensors, find_sensors
from workers.timing.energy import idle_power, run_power
from workers.timing.malloc import keep_freed_memory
from workers.timing.sensor_summary import reasons
from workers.timing.turns import Reference, ReferenceFailed, Stopped, Turn, take_turns, watched
from workers.training.precision import applied

REFERENCE = "FSRCNN_s4_D6_S12_M4"
"""Measured between the others: quick, steady, and slower by half when its threads run on distant cores."""


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

    ``progress`` is called with each measurement as soon as it is made (again where a second try was better), ``notice``
    with messages (waiting for the machine; a config that the backend cannot run is left out). Configs whose
    confidence intervals overlap are marked in ``detail["tied_with"]``. Raises BadData for a backend or precision that
    this machine does not have, MissingExtra when it is not installed.
    """
    out: dict[str, Speed] = {}
    session = Session(device_name, backend, precision, protocol, compute)
    with whole_machine(notice=notice):
        for group in session.measure(configs):
            for measurement in group:
                out[measurement.config] = measurement
                if progress is not None:
                    progress(measurement)
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
        """Seconds of the undisturbed reference, as earlier sessions measured it and then as this one did."""
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
        """The measurements, one group at a time, without those in ``failed``.

        Configs that stayed disturbed are measured once more when all others are done; a better second measurement is
        yielded then, and replaces the first.
        """
        if not configs:
            return
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        exact = ExitStack()
        try:
            # fp32 is float32 on a GPU too, where torch alone would take TF32 for convolutions.
            exact.enter_context(applied("fp32", self.compute))
            reference = self._reference()
            # Now that the device has been used: with a program on it a GPU draws more than without.
            self.idle_w = idle_power(self.sensors)
            reference.learn()
            disturbed: dict[str, Speed] = {}
            for group in self._groups(configs):
                measurements = self._group(group, reference)
                disturbed |= {one.config: one for one in measurements if one.detail["disturbed"]}
                yield measurements
            # A second try helps where most configs were undisturbed, not on a machine that is always disturbed.
            if 2 * len(disturbed) <= len(configs):
                for group in self._groups([one for one in configs if one.id in disturbed]):
                    yield [one for one in self._group(group, reference) if _better(disturbed[one.config], one)]
            for config in disturbed:
                # If the second try failed, the first measurement still counts.
                self.failed.pop(config, None)
        except ReferenceFailed as error:
            raise BadData(f"{self.backend.name}: {error}") from error
        finally:
            exact.close()
            torch.set_num_threads(before)

    def _groups(self, configs: Sequence[Config]) -> Iterator[Sequence[Config]]:
        for start in range(0, len(configs), self.protocol.group):
            yield configs[start : start + self.protocol.group]

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

    def _subjects(self, rest: list[Config]) -> list[Subject]:
        """Networks that are ready, taken from the front of ``rest`` until they fill half of the memory that was free.

        ONNX Runtime keeps a network's feature maps: 24 of Full HD can fill 15 GB.
        """
        made: list[Subject] = []
        free = free_memory()
        while rest and (not made or free_memory() > free / 2):
            config = rest.pop(0)
            try:
                made.append(self._subject(config))
            # One network that a runtime cannot run must not end the benchmark of the others, and runtimes raise any
            # kind of exception (ONNX Runtime raises plain ones).
            except Exception as error:
                self.failed[config.id] = first_line(error)
        return made

    def _group(self, configs: Sequence[Config], reference: Reference) -> list[Speed]:
        """The measurements of a group; a config that fails on the way is left out and the others are measured again."""
        rest, speeds = list(configs), list[Speed]()
        while rest:
            subjects = self._subjects(rest)
            while subjects:
                try:
                    speeds += self._speeds(subjects, reference)
                    break
                except Stopped as stopped:
                    self.failed[subjects.pop(stopped.place).config.id] = first_line(stopped.error)
            del subjects
            gc.collect()
        return speeds

    def _speeds(self, subjects: Sequence[Subject], reference: Reference) -> list[Speed]:
        turns = [self._turn(subject) for subject in subjects]
        choices = take_turns(turns, self.protocol.rounds, reference, CpuWatch, self.sensors.read)
        self.usual = reference.usual
        if self.idle_w is not None:
            for place, subject in enumerate(subjects):
                with watched(place):
                    subject.energy = run_power(partial(subject.run, self.watch), self.sensors, self.idle_w)
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
        """The detail that is the same for every round."""
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
            **({"cuda": asdict(state)} if (state := cuda_state(self.compute)) else {}),
            **self.backend.about(),
            "missing": reasons(self.sensors, subject.energy, subject.no_memory),
        }


def _better(first: Speed, second: Speed) -> bool:
    """Whether the second try at a config that was disturbed is undisturbed or had the quicker reference."""
    return not second.detail["disturbed"] or second.detail["reference_seconds"] < first.detail["reference_seconds"]


def free_memory() -> int:
    """Bytes that programs can have before the machine swaps."""
    return int(psutil.virtual_memory().available)


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
