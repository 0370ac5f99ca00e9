"""The interface between the driver and whatever runs packs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from search_space.facts import Failure, Outcome
from search_space.user_code import UserCode
from workers.images import ImageSet
from workers.task import PackTask


@dataclass(frozen=True)
class WorkerData:
    """What every worker needs before its first pack."""

    train: ImageSet
    tests: tuple[ImageSet, ...]
    user_code: tuple[UserCode, ...] = ()
    threads: int = 1


@dataclass(frozen=True)
class Finished:
    """One pack's end: its outcomes, or the reason why there are none."""

    ticket: int
    outcomes: tuple[Outcome, ...] = ()
    lost: Failure | None = None
    reason: str = ""


class Executor(Protocol):
    """Runs packs somewhere. Nothing here touches the database."""

    def free(self) -> int:
        """Workers that could start a pack now."""

    def slots(self) -> int:
        """Workers in all."""

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Start a pack; the ticket under which its end is reported. At most ``free()`` at a time."""

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        """Packs that ended, waiting at most ``timeout_s`` for the first."""

    def steps_done(self) -> int:
        """Training steps that running packs report, for the progress bar."""

    def close(self, now: bool = False) -> None:
        """Give the workers back; ``now`` does not wait for what runs."""
