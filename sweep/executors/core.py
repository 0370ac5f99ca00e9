"""The interface between the driver and whatever runs packs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from search_space.facts import Failure, Outcome
from search_space.user_code import UserCode
from sweep.executors.image_transport import ByPath, ByUrl, Images
from workers.task import PackTask


@dataclass(frozen=True)
class WorkerData:
    """What every worker needs before its first pack."""

    images: Images | ByPath | ByUrl
    user_code: tuple[UserCode, ...] = ()
    threads: int = 1

    def fetch(self) -> Images:
        """The images, from wherever they are. Raises BadData."""
        return self.images if isinstance(self.images, Images) else self.images.fetch()


@dataclass(frozen=True)
class Versions:
    """What must be the same on the driver and on every worker for their numbers to be the same."""

    code: str
    """Digest of the code that decides training numbers."""
    torch: str
    python: str
    engines: str
    """Digest of the engines that carry training out: they agree with that code only within rounding."""

    @classmethod
    def here(cls) -> Versions:
        """Of this process; torch without its build (``+cpu``, ``+cu128``), Python to the minor version."""
        import platform

        import torch

        from workers.packs.engine import files_digest
        from workers.training.code_digest import code_digest

        python = ".".join(platform.python_version_tuple()[:2])
        return cls(code_digest(), torch.__version__.split("+")[0], python, files_digest())

    def unlike(self, other: Versions) -> str:
        """The differences in words, ``other`` being what is wanted."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return ", ".join(f"{name} {mine} instead of {wanted}" for name, mine, wanted in pairs if mine != wanted)


@dataclass(frozen=True)
class Finished:
    """One pack's end: its outcomes, or the reason why there are none."""

    ticket: int
    outcomes: tuple[Outcome, ...] = ()
    lost: Failure | None = None
    reason: str = ""
    node: str = "unknown"


class Executor(Protocol):
    """Runs packs somewhere. Nothing here touches the database."""

    @property
    def hears(self) -> bool:
        """Whether it hears from packs while they run, and gives up those that make no progress."""

    def free(self) -> int:
        """Workers that could start a pack now."""

    def slots(self) -> int:
        """Workers in all."""

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Start a pack; the ticket under which its end is reported. At most ``free()`` at a time.

        A pack that takes longer than ``timeout_s`` is given up (``math.inf``: never for that reason).
        """

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        """Packs that ended, waiting at most ``timeout_s`` for the first."""

    def steps_done(self) -> int:
        """Training steps that running packs report, for the progress bar."""

    def watch(self, stopping: Callable[[], bool]) -> None:
        """Be told how to ask whether the driver wants to stop; for executors that cannot be left while they work."""

    def close(self, now: bool = False) -> None:
        """Give the workers back; ``now`` does not wait for what runs."""
