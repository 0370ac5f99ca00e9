"""What a tracker is told: a sweep that starts, each trial that ended, the end. Plug-ins derive from ``Tracker``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from results_db.reading.trial_facts import TrialFacts
from results_db.states import State

_UNUSUAL = re.compile(r"[^\w\-. /]")
"""Characters that one of the trackers refuses in names."""
_SPEED_VALUES = ("fps", "power_w", "energy_j", "memory_mib", "temperature_c")


@dataclass(frozen=True)
class TrackedSweep:
    """A sweep, the parent of its trials."""

    name: str
    space: str
    recipe: Mapping[str, Any]
    """The recipe's fields."""
    git: str
    planned: int
    """Number of trials."""
    database: str
    """Address, without a password."""


@dataclass(frozen=True)
class TrackedTrial:
    """A trial that ended, or was measured further after its end."""

    facts: TrialFacts
    family: str
    scale: int
    values: Mapping[str, int]
    """The family's own fields, such as ``{"K": 5, "C": 4}``."""

    @property
    def name(self) -> str:
        """Names the trial's run within its sweep."""
        return f"{self.facts.config}-seed{self.facts.seed}"

    @property
    def done(self) -> bool:
        """Whether it has a result; else it failed."""
        return self.facts.state is State.DONE

    @property
    def parameters(self) -> dict[str, str | int]:
        """What was tried."""
        return {"family": self.family, "scale": self.scale, **self.values, "seed": self.facts.seed}

    @property
    def metrics(self) -> dict[str, float]:
        """Every number that was measured, by a name such as ``psnr/Set5`` or ``fps/laptop/eager-fp32``."""
        out = {f"{each.metric}/{each.dataset}": each.value for each in self.facts.qualities}
        for speed in self.facts.speeds:
            place = f"{speed.device}/{speed.backend}-{speed.precision}"
            known = {name: getattr(speed, name) for name in _SPEED_VALUES}
            out |= {f"{name}/{place}": value for name, value in known.items() if value is not None}
        for name in ("seconds", "steps"):
            if (value := getattr(self.facts, name)) is not None:
                out[f"training_{name}"] = float(value)
        return {_UNUSUAL.sub("_", name): value for name, value in out.items()}


class Ending(StrEnum):
    """How a run of a sweep ended."""

    DONE = "done"
    """Every trial has a result."""
    FAILED = "failed"
    """Some trials failed for good."""
    STOPPED = "stopped"
    """By a person or a signal; it can go on."""
    BROKEN = "broken"
    """By an error, such as a store that cannot be written."""


@dataclass(frozen=True)
class SweepEnd:
    """The end of one run of a sweep."""

    sweep: str
    ending: Ending
    planned: int
    done: int
    failed: int
    seconds: float
    resume: str
    """The command that goes on with the sweep."""
    error: str = ""

    @property
    def text(self) -> str:
        """One or two sentences for a person.

        >>> SweepEnd("night", Ending.STOPPED, 9, 4, 0, 61.0, "sweep resume --name night").text
        'sweep night stopped: 4 of 9 done, 0 failed. Go on with: sweep resume --name night'
        """
        text = f"sweep {self.sweep} {self.ending}: {self.done} of {self.planned} done, {self.failed} failed"
        text += f" ({self.error})" if self.error else ""
        return text if self.ending is Ending.DONE else f"{text}. Go on with: {self.resume}"

    @property
    def document(self) -> dict[str, Any]:
        """JSON-ready: the fields and ``text``."""
        return {**asdict(self), "text": self.text}


class Tracker:
    """Follows one sweep. All methods are called in order from one thread of the tracker's own; an exception costs one
    warning and never the sweep. Register a subclass under the entry point group ``edge_sweep.trackers``.

    Args:
        where: What was given after ``NAME=`` of ``--track``; empty without.
    """

    def __init__(self, where: str = "") -> None:
        self.where = where

    def start(self, sweep: TrackedSweep) -> None:
        """A run of the sweep begins; the same sweep may have been tracked before."""

    def put(self, trial: TrackedTrial) -> None:
        """A trial ended (``trial.done`` or failed), or has new measurements: the same trial may come again."""

    def end(self, end: SweepEnd) -> None:
        """The run of the sweep is over; nothing comes after it."""
