"""Measure many configs: groups, interleaved rounds, a reference in each round, disturbed rounds repeated."""

from __future__ import annotations

import datetime as dt
import gc
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

import torch

from search_space import parse_id
from search_space.config import Config
from search_space.errors import BadData
from search_space.facts import Speed
from workers.backends.core import Backend, find
from workers.benchmark.clock import stopwatch
from workers.benchmark.disturbance import CpuWatch, Window
from workers.benchmark.lock import whole_machine
from workers.benchmark.protocols import FULLHD14, SpeedProtocol
from workers.benchmark.subject import Subject, prepare, warm_up
from workers.timing import Summary, summarise, ties

REFERENCE = "eSR-TM_s2_K3_C2"
"""Runs in every round: a convolution and a memory-bound head, as most of the space."""

Progress = Callable[[Speed], None]
"""Told each figure as soon as it is there."""


@dataclass(frozen=True)
class Round:
    """One pass over a group."""

    reference: float
    """Median seconds of the reference's frames in this round."""
    window: Window
    disturbed: str | None


def benchmark(
    configs: Sequence[Config],
    *,
    device_name: str,
    backend: str = "eager",
    precision: str = "fp32",
    protocol: SpeedProtocol = FULLHD14,
    compute: str = "auto",
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
) -> list[Speed]:
    """The speed of each config on this machine, with the whole machine to itself.

    Configs that overlap in their confidence intervals are marked in ``detail["tied_with"]``. Raises BadData
    for a backend or precision that this machine does not have, MissingExtra when it is not installed.
    """
    out: list[Speed] = []
    session = Session(device_name, backend, precision, protocol, compute)
    with whole_machine(notice=notice):
        for group in session.measure(configs):
            for speed in group:
                out.append(speed)
                if progress is not None:
                    progress(speed)
    return with_ties(out)


class Session:
    """One device, backend, precision and protocol; measures groups of configs."""

    def __init__(
        self,
        device_name: str,
        backend: str = "eager",
        precision: str = "fp32",
        protocol: SpeedProtocol = FULLHD14,
        compute: str = "auto",
    ) -> None:
        self.device, self.precision, self.protocol = device_name, precision, protocol
        self.compute = ("cuda" if torch.cuda.is_available() else "cpu") if compute == "auto" else compute
        if self.compute.startswith("cuda") and not torch.cuda.is_available():
            raise BadData(f"this machine has no CUDA device for {self.compute}")
        self.backend: Backend = find(backend)
        self.backend.refuse(precision, self.compute)
        self.threads = protocol.threads or usable_cores()
        self.watch = stopwatch(self.compute)

    def measure(self, configs: Sequence[Config]) -> Iterator[list[Speed]]:
        """The figures, a group at a time, in the order of ``configs``."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            reference = self._subject(parse_id(REFERENCE)) if configs else None
            for start in range(0, len(configs), self.protocol.group):
                assert reference is not None
                reference.times.clear()
                yield self._group(configs[start : start + self.protocol.group], reference)
                gc.collect()
        finally:
            torch.set_num_threads(before)

    def _subject(self, config: Config) -> Subject:
        frame = prepare(config, self.protocol, self.backend, self.precision, self.compute, self.threads)
        return warm_up(config, frame, self.watch, self.protocol)

    def _group(self, configs: Sequence[Config], reference: Subject) -> list[Speed]:
        subjects = [self._subject(config) for config in configs]
        kept: list[tuple[Round, list[list[float]]]] = []
        spoilt: list[tuple[Round, list[list[float]]]] = []
        # As many repeats as rounds: a machine that never gets quiet is measured, and the figures say so.
        while len(kept) < self.protocol.rounds and len(kept) + len(spoilt) < 2 * self.protocol.rounds:
            one = self._round(subjects, reference)
            (spoilt if one[0].disturbed else kept).append(one)
        quiet = len(kept)
        spoilt.sort(key=lambda one: one[0].window.others_share)
        kept += spoilt[: self.protocol.rounds - len(kept)]
        for made, times in kept:
            for subject, seconds in zip(subjects, times, strict=True):
                subject.times.append(seconds)
                subject.ratios.append(median(seconds) / made.reference)
        reasons = sorted({one.disturbed for one, _ in spoilt if one.disturbed})
        return [self._speed(s, [one for one, _ in kept], quiet, len(spoilt), reasons) for s in subjects]

    def _round(self, subjects: Sequence[Subject], reference: Subject) -> tuple[Round, list[list[float]]]:
        cpu = CpuWatch()
        first = self._visit(reference)
        times = [self._visit(subject) for subject in subjects]
        last = self._visit(reference)
        window = cpu.stop()
        return Round(median([*first, *last]), window, window.verdict()), times

    def _visit(self, subject: Subject) -> list[float]:
        self.watch(subject.frame)
        return [self.watch(subject.frame) for _ in range(self.protocol.frames)]

    def _speed(
        self, subject: Subject, rounds: Sequence[Round], quiet: int, spoilt: int, reasons: Sequence[str]
    ) -> Speed:
        summary = summarise([t for one in subject.times for t in one])
        per_image = summary.median / self.protocol.batch
        return Speed(
            config=subject.config.id,
            device=self.device,
            backend=self.backend.name,
            precision=self.precision,
            protocol=self.protocol.name,
            fps=1 / per_image,
            seconds_median=summary.median,
            seconds_iqr=summary.iqr,
            seconds_min=summary.least,
            runs=summary.n,
            cpu_percent=median(one.window.own_percent for one in rounds),
            detail={
                "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "compute": self.compute,
                "threads": self.threads,
                "warm_frames": len(subject.warm),
                "steady": subject.steady,
                "reference": REFERENCE,
                "reference_seconds": median(one.reference for one in rounds),
                "relative": median(subject.ratios),
                "rounds": len(rounds),
                "rounds_disturbed": spoilt,
                "disturbed": quiet < len(rounds),
                "disturbances": list(reasons),
                "others_percent": round(100 * max(one.window.others_share for one in rounds), 2),
                "missing": {},
            },
        )


def with_ties(speeds: Sequence[Speed]) -> list[Speed]:
    """The same figures, each with the ids in ``detail["tied_with"]`` that its interval overlaps."""
    found = ties({one.config: _summary(one).interval for one in speeds})
    return [replace(one, detail={**one.detail, "tied_with": list(found[one.config])}) for one in speeds]


def _summary(speed: Speed) -> Summary:
    middle = speed.seconds_median if speed.seconds_median is not None else 1 / speed.fps
    return Summary(middle, speed.seconds_iqr or 0.0, speed.seconds_min or middle, speed.runs or 1)


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
