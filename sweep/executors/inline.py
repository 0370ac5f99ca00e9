"""Packs in this process, one after another: for debugging, and for machines without Ray."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence

from search_space.facts import Checkpoint
from sweep.executors.core import Finished, WorkerData, WorkerName
from workers.checkpointing import Checkpointing
from workers.task import PackTask, failed, run_pack


class InlineExecutor:
    """One slot; a pack runs inside ``poll``, which ends it at the next step when the driver is stopping."""

    reports_progress = False

    def __init__(self, data: WorkerData) -> None:
        self._images = data.fetch()
        self._stopping: Callable[[], bool] = lambda: False
        self._save: Callable[[Sequence[Checkpoint]], None] = lambda states: None
        self._submitted: list[tuple[int, PackTask]] = []
        self._tickets = 0

    def free(self) -> int:
        """1 until a pack is submitted."""
        return 1 - len(self._submitted)

    def slots(self) -> int:
        """Always 1."""
        return 1

    def next_worker(self) -> WorkerName:
        """This process."""
        return WorkerName(socket.gethostname(), "cpu", 1)

    def devices(self) -> Mapping[str, int]:
        """The CPU."""
        return {"cpu": 1}

    def interrupt(self, ticket: int) -> None:
        """There is no other worker that could go on with the pack."""

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Queue a pack for the next ``poll``; a time-out would need a second process and is ignored."""
        self._tickets += 1
        self._submitted.append((self._tickets, task))
        return self._tickets

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        """Run the pack that was submitted."""
        if not self._submitted:
            return ()
        ticket, task = self._submitted.pop(0)
        checkpointing = Checkpointing(task.checkpoint_every_s, self._save, self._stopping)
        try:
            outcomes = tuple(run_pack(task, self._images.train, self._images.tests, checkpointing=checkpointing))
        except Exception as error:
            outcomes = tuple(failed(member, error, "inline") for member in task.members)
        return (Finished(ticket, outcomes),)

    def steps(self) -> Mapping[int, int]:
        """Not known while a pack runs."""
        return {}

    def connect(self, stopping: Callable[[], bool], save: Callable[[Sequence[Checkpoint]], None]) -> None:
        """Check ``stopping`` between training steps, and save states between them."""
        self._stopping, self._save = stopping, save

    def stop(self, timeout_s: float) -> Sequence[Finished]:
        """Nothing to do: ``poll`` returns after its pack has stopped."""
        return ()

    def close(self, now: bool = False) -> None:
        """There are no workers to release."""
