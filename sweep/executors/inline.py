"""Packs in this process, one after another: no Ray, for debugging and for machines without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sweep.executors.core import Finished, WorkerData
from workers.task import PackTask, failed, run_pack


class Left(BaseException):
    """Raised between two training steps when the driver wants to stop; no failure of the pack."""


class InlineExecutor:
    """One slot; a pack runs inside ``poll``, which leaves it at the next step when the driver wants to stop."""

    hears = False

    def __init__(self, data: WorkerData) -> None:
        self._images = data.fetch()
        self._stopping: Callable[[], bool] = lambda: False
        self._waiting: list[tuple[int, PackTask]] = []
        self._tickets = 0
        self._steps = 0

    def free(self) -> int:
        """1 while nothing waits."""
        return 1 - len(self._waiting)

    def slots(self) -> int:
        """Always 1."""
        return 1

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Queue a pack for the next ``poll``; the time-out cannot be kept without a second process."""
        self._tickets += 1
        self._waiting.append((self._tickets, task))
        return self._tickets

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        """Run what waits."""
        if not self._waiting:
            return ()
        ticket, task = self._waiting.pop(0)
        try:
            outcomes = tuple(run_pack(task, self._images.train, self._images.tests, self._note))
        except Left:
            return ()
        except Exception as error:
            outcomes = tuple(failed(member, error, "inline") for member in task.members)
        self._steps = 0
        return (Finished(ticket, outcomes),)

    def _note(self, steps: int) -> None:
        self._steps = steps
        if self._stopping():
            raise Left

    def watch(self, stopping: Callable[[], bool]) -> None:
        """Look at this between steps."""
        self._stopping = stopping

    def steps_done(self) -> int:
        """Steps of the pack that runs."""
        return self._steps

    def close(self, now: bool = False) -> None:
        """Nothing to give back."""
