"""The interface between the driver and the executors that run packs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol, runtime_checkable

from search_space.facts import Checkpoint, Failure, Outcome
from search_space.user_code import UserCode
from sweep.executors.image_transport import ByPath, ByUrl, Images
from workers.task import PackTask


@dataclass(frozen=True)
class WorkerData:
    """What every worker needs before its first pack."""

    images: Images | ByPath | ByUrl
    user_code: tuple[UserCode, ...] = ()
    threads: int = 1
    folder: str = ""
    """The driver's current folder, so that relative paths mean the same on a worker that has it."""

    def prepare(self) -> Images:
        """Make a worker process ready for its first pack; the images. Raises BadData, BadSpace."""
        import torch

        from search_space import user_code

        for code in self.user_code:
            user_code.install(code)
        torch.set_num_threads(self.threads)
        if self.folder and Path(self.folder).is_dir():
            os.chdir(self.folder)
        return self.fetch()

    def fetch(self) -> Images:
        """The images, by whichever way they travel. Raises BadData."""
        return self.images if isinstance(self.images, Images) else self.images.fetch()


@dataclass(frozen=True)
class Versions:
    """What must be equal on the driver and on every worker so that their results are equal."""

    code: str
    """Digest of the code that decides training numbers."""
    torch: str
    python: str
    engines: str
    """Digest of the training engines: they agree with the reference only within rounding."""

    @classmethod
    def here(cls) -> Versions:
        """Of this process; torch without its build (``+cpu``, ``+cu128``), Python to the minor version."""
        import platform

        import torch

        from workers.packs.engine import files_digest
        from workers.training.code_digest import code_digest

        python = ".".join(platform.python_version_tuple()[:2])
        return cls(code_digest(), torch.__version__.split("+")[0], python, files_digest())

    def differences(self, expected: Versions) -> str:
        """What differs from ``expected``, in words; empty when nothing does."""
        pairs = ((f.name, getattr(self, f.name), getattr(expected, f.name)) for f in fields(self))
        return ", ".join(f"{name} {ours} instead of {theirs}" for name, ours, theirs in pairs if ours != theirs)


@dataclass(frozen=True)
class Finished:
    """The end of one pack: its outcomes, or the reason why there are none."""

    ticket: int
    outcomes: tuple[Outcome, ...] = ()
    """Of all its members, or of some where it was stopped or its node left: the others are given back."""
    lost: Failure | None = None
    reason: str = ""
    died: bool = False
    """It was lost because its worker's process ended by itself, on a node that stays."""
    node: str = "unknown"
    given_up: str = ""
    """The node that is given no more packs from now on, and why; ``ticket`` is 0 where that belongs to no pack."""
    excused: tuple[tuple[int, int], ...] = ()
    """Attempts (trial, number) that failed for the fault of a node that was given up: they do not count."""


@dataclass(frozen=True)
class WorkerName:
    """One worker, for people and for what a driver decides."""

    host: str
    device: str = "cpu"
    number: int = 0
    """Among the workers of its driver."""
    gpus: float = 0.0
    """What it holds."""

    @property
    def detail(self) -> dict[str, str | int]:
        """What is kept of it with an attempt while that runs; nothing where the host is not known.

        >>> WorkerName("node-3", "cuda", 2).detail
        {'host': 'node-3', 'device': 'cuda', 'worker': 2}
        """
        return {"host": self.host, "device": self.device, "worker": self.number} if self.host else {}


class Executor(Protocol):
    """Runs packs somewhere. Nothing here touches the database."""

    @property
    def reports_progress(self) -> bool:
        """Whether running packs report progress, so that packs without any are given up."""

    def free(self) -> int:
        """Workers that could start a pack now."""

    def slots(self) -> int:
        """Workers in all."""

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Start a pack and return the ticket under which its end is reported; only while ``free()`` is above 0.

        A pack that takes longer than ``timeout_s`` is given up (``math.inf``: no limit).
        """

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        """Packs that ended, waiting at most ``timeout_s`` for the first."""

    def steps(self) -> Mapping[int, int]:
        """Training steps of the packs that run, by ticket, as far as they are known; asked where
        ``reports_progress``."""

    def connect(self, stopping: Callable[[], bool], save: Callable[[Sequence[Checkpoint]], None]) -> None:
        """Before the first pack. ``save`` takes the states that workers hand out, during ``poll`` and ``stop``.

        ``stopping()`` tells whether the driver is stopping, for executors whose ``poll`` takes long.
        """

    def stop(self, timeout_s: float) -> Sequence[Finished]:
        """Make every running pack stop after its present step and hand out its state, within ``timeout_s``."""

    def close(self, now: bool = False) -> None:
        """Release the workers; ``now`` does not wait for packs that run."""


@runtime_checkable
class NamedWorkers(Protocol):
    """What an executor adds whose workers are known one by one, and which need not be alike."""

    def next_worker(self) -> WorkerName:
        """The worker that takes the next pack; only while ``free()`` is above 0. GPUs come before CPUs."""

    def devices(self) -> Mapping[str, int]:
        """How many workers there are on each kind of device, ready or starting."""

    def interrupt(self, ticket: int) -> None:
        """Have a pack that runs stop with its state: its members without an outcome go on elsewhere."""
