"""What a driver tells while it runs, and what it says at the end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a listener is told."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    AGAIN = "again"
    FENCED = "fenced"
    LOST = "lost"
    WAITING = "waiting"


@dataclass(frozen=True)
class Notice:
    """One thing that happened, for progress and logs."""

    kind: Kind
    config: str
    text: str = ""


@dataclass
class Report:
    """What this run of the driver did."""

    done: int = 0
    failed: int = 0
    again: int = 0
    lost_packs: int = 0
    fenced: int = 0
    seconds: float = 0.0
    interrupted: bool = False
