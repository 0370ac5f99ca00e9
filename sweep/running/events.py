"""What a driver reports while it runs, and at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sweep.planning.training_progress import TrainingProgress


class EventKind(StrEnum):
    """What happened to a trial, a pack or the store."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    AGAIN = "again"
    FENCED = "fenced"
    LOST = "lost"
    WAITING = "waiting"
    PROGRESS = "progress"
    NODE = "node"
    """A node was given up."""


@dataclass(frozen=True)
class DriverEvent:
    """One event, for progress displays and logs."""

    kind: EventKind
    config: str
    text: str = ""
    trial: int = 0
    """Its id in the store, where the event is about one."""
    progress: TrainingProgress = field(default_factory=TrainingProgress)
    """Of all trials of this run, with events of that kind."""


@dataclass
class Report:
    """What one run of the driver did, in numbers of trials."""

    done: int = 0
    failed: int = 0
    again: int = 0
    lost_packs: int = 0
    fenced: int = 0
    seconds: float = 0.0
    interrupted: bool = False
