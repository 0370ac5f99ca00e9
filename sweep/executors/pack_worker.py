"""The Ray actor that holds the images and trains packs. Nothing heavy is imported here: a worker answers soon."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.checkpointing import Checkpointing
from workers.oom_kills import oom_kills

if TYPE_CHECKING:
    from search_space.facts import Checkpoint, Outcome
    from sweep.executors.core import Versions, WorkerData
    from workers.task import PackTask


@dataclass(frozen=True)
class Ready:
    """What a worker says when it could train."""

    node: str
    """Ray's id of its node."""
    host: str
    versions: Versions
    oom_kills: int | None
    """The counter of the kernel on its node by then."""


class PackWorker:
    """One thread trains packs while another one answers for it."""

    def __init__(self) -> None:
        self._progress = self._steps = self._ticket = self._stopped = 0
        self._checkpointing = Checkpointing()

    def prepare(self, data: WorkerData, device: str) -> Ready:
        """Import, fetch the images, prove the device. Raises whatever keeps this worker from training."""
        import ray

        # Here rather than in the first pack, which has a deadline that imports and the compiler would use up.
        import workers.task  # noqa: F401
        from sweep.executors.core import Versions
        from workers.device_errors import prove
        from workers.packs import compiled

        compiled.library()
        self._images = data.prepare()
        prove(device)
        return Ready(ray.get_runtime_context().get_node_id(), socket.gethostname(), Versions.here(), oom_kills())

    def run(self, task: PackTask, ticket: int) -> tuple[list[Outcome], list[Checkpoint]]:
        """Train and measure a pack: its outcomes, and the states of members without one that was stopped."""
        from workers.task import run_pack

        self._checkpointing = checkpointing = Checkpointing(task.checkpoint_every_s)
        self._steps, self._ticket = 0, ticket
        if self._stopped >= ticket:
            checkpointing.stop()
        outcomes = run_pack(task, self._images.train, self._images.tests, self._count, checkpointing)
        return outcomes, checkpointing.take() if checkpointing.stopping else []

    def _count(self, steps: int) -> None:
        self._progress, self._steps = self._progress + 1, steps

    def progress(self) -> tuple[int, int, int, list[Checkpoint]]:
        """How many training steps it took and test sets it measured since it started (only a change has a meaning),
        which pack it was given last and how many steps that has had, and the states that were handed out since the
        last call."""
        return self._progress, self._ticket, self._steps, self._checkpointing.take()

    def pid(self) -> int:
        """The number of its process on its node."""
        return os.getpid()

    def stop(self, ticket: int) -> None:
        """Have a pack stop after its present step, or before its first one, should this come before its start."""
        self._stopped = max(self._stopped, ticket)
        if self._ticket == ticket:
            self._checkpointing.stop()
