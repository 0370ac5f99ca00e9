"""The interface of the engines that train the members of a pack, and a member's optimiser state."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from search_space.config import Config


@dataclass(frozen=True)
class Member:
    """One training of a pack: a config initialised with ``seed``. ``tag`` is for the caller and has no effect."""

    config: Config
    seed: int = 0
    lr_scale: float = 1.0
    tag: str = ""

    @property
    def key(self) -> str:
        """Names the member's state in a checkpoint."""
        return f"{self.config.id}/{self.seed}/{self.tag}"


@dataclass(frozen=True)
class OptimiserState:
    """Weights and two moments of one member, each a vector (parameters,) as in ``workers.training.optimiser``."""

    weights: Tensor
    first: Tensor
    second: Tensor


class Engine(Protocol):
    """Trains some members by one step at a time. Rates are learning rates; 0 leaves a member as it is.

    Called inside ``precision.applied``; an engine that computes in torch makes its forward pass under
    ``precision.forward``.
    """

    name: ClassVar[str]
    sources: ClassVar[tuple[str, ...]]
    """Its files, as patterns under ``workers/packs``; its version is their digest."""

    def step(self, step: int, low: Tensor, high: Tensor, rates: list[float]) -> None:
        """One step (0-based number ``step``) of each member on the batch (B, 1, p, p), (B, 1, sp, sp)."""

    def whiten(self, index: int, low: Tensor, fresh: bool) -> None:
        """``Optimiser.whiten`` of one member."""

    def losses(self) -> list[float]:
        """Each member's loss in the last step, before the update."""

    def state(self, index: int) -> OptimiserState:
        """A copy of a member's state, on the CPU."""

    def restore(self, index: int, state: OptimiserState) -> None:
        """Put a state in place that has had ``steps`` steps."""


@runtime_checkable
class BlockEngine(Engine, Protocol):
    """An engine that takes many steps at once, and many members' white inputs."""

    taken: int
    """Steps of the last block that were taken; after an error its members are at that step."""

    def steps(self, first: int, low: Tensor, high: Tensor, rates: list[list[float]]) -> None:
        """Steps ``first``, ``first + 1``, ... on (n, B, 1, p, p), (n, B, 1, sp, sp); ``rates``: a row per step."""

    def whiten_all(self, indices: Sequence[int], low: Tensor, fresh: bool) -> None:
        """``whiten`` of some members."""


def upload(values: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Copy numbers to a device without waiting for the copy (it is made from pinned memory)."""
    tensor = torch.as_tensor(values, dtype=dtype)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def version_of(engine: Engine | type[Engine]) -> str:
    """``name/version``: twelve hex digits of the engine's own files, as ``facts.Provenance`` keeps it."""
    return f"{engine.name}/{files_digest(engine.sources)}"


@cache
def files_digest(patterns: tuple[str, ...] = ("**/*",)) -> str:
    """Twelve hex digits of files of this package (without patterns all), by their names and bytes."""
    folder = Path(__file__).parent
    paths = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    digest = hashlib.sha256()
    for path in sorted(paths):
        if "__pycache__" not in path.parts:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
