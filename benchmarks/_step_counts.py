"""The training steps that were really taken, as ``step_counter/sitecustomize.py`` counted them."""

from __future__ import annotations

import itertools
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PackSteps:
    """The steps of one pack in one process: ``times[n]`` is when step n was done (seconds since 1970), else 0."""

    begun: str
    """Sorts packs by their start."""
    pid: int
    trials: tuple[int, ...]
    times: NDArray[np.float64]

    @property
    def taken(self) -> int:
        """Steps, each of all members."""
        return int(np.count_nonzero(self.times))

    @property
    def first(self) -> int:
        """Number of the first step."""
        return int(np.flatnonzero(self.times)[0])

    @property
    def last(self) -> int:
        """Number of the last step; 0 before the first."""
        return int(np.flatnonzero(self.times)[-1]) if self.times.any() else 0

    @property
    def running(self) -> bool:
        """Whether its process is there and has steps to go."""
        return 0 < self.last < len(self.times) - 1 and Path(f"/proc/{self.pid}").exists()


def read(folder: Path) -> list[PackSteps]:
    """All packs so far, in the order they began."""
    packs = []
    for file in sorted(folder.glob("*.json")):
        content = json.loads(file.read_text())
        times = np.fromfile(file.with_suffix(".times"), np.float64)
        packs.append(PackSteps(file.stem, content["pid"], tuple(trial for trial, _ in content["members"]), times))
    return packs


def at_work(folder: Path) -> dict[int, PackSteps]:
    """The packs in training, by process: the newest of each."""
    newest = {pack.pid: pack for pack in read(folder)}
    return {pid: pack for pid, pack in newest.items() if pack.running and pid != os.getpid()}


@dataclass(frozen=True)
class Repeated:
    """Steps of one trial that were taken a second time."""

    trial: int
    at: float
    """When the last of them had been taken the first time."""
    steps: int
    seconds: float
    """What they had taken."""


def repeated(packs: Iterable[PackSteps]) -> list[Repeated]:
    """What each trial did twice: the steps of a pack after the one that the trial's next pack began from."""
    of_trial: dict[int, list[PackSteps]] = defaultdict(list)
    for pack in packs:
        if pack.taken:
            for trial in pack.trials:
                of_trial[trial].append(pack)
    found = []
    for trial, parts in of_trial.items():
        for before, after in itertools.pairwise(parts):
            steps = before.last - after.first + 1
            if steps > 0:
                start = max(after.first, before.first)
                seconds = before.times[before.last] - before.times[max(start - 1, before.first)]
                found.append(Repeated(trial, float(before.times[before.last]), steps, float(seconds)))
    return found


def stop_of(at: float, stops: Sequence[float], tolerance_s: float = 1.0) -> int | None:
    """The stop that ended a pack whose last step was at ``at``: the last one before it, as dying workers take steps."""
    before = [place for place, when in enumerate(stops) if when <= at + tolerance_s]
    return before[-1] if before else None
