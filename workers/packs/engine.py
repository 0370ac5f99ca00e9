"""What every way of training members side by side offers, and how a member's state leaves and enters it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from search_space.config import Config


@dataclass(frozen=True)
class Member:
    """One run of a pack: a config from the start of ``seed``. ``tag`` is the caller's own, kept as it is."""

    config: Config
    seed: int = 0
    lr_scale: float = 1.0
    tag: str = ""

    @property
    def key(self) -> str:
        """Names the member's state in a checkpoint."""
        return f"{self.config.id}/{self.seed}/{self.tag}"


@dataclass(frozen=True)
class State:
    """Weights and two moments of one member, each flat (parameters,) as in ``workers.training.optimiser``."""

    weights: Tensor
    first: Tensor
    second: Tensor


class Engine(Protocol):
    """Trains some members by one step at a time. Rates are learning rates; 0 leaves a member as it is."""

    def step(self, step: int, low: Tensor, high: Tensor, rates: list[float]) -> None:
        """One step (0-based number ``step``) of each member on the batch (B, 1, p, p), (B, 1, sp, sp)."""

    def whiten(self, index: int, low: Tensor, fresh: bool) -> None:
        """``Descent.whiten`` of one member."""

    def losses(self) -> list[float]:
        """Each member's loss in the last step, before the update."""

    def state(self, index: int) -> State:
        """A copy of a member's state, on the CPU."""

    def restore(self, index: int, state: State) -> None:
        """Put a state in place that has had ``steps`` steps."""


@runtime_checkable
class BlockEngine(Engine, Protocol):
    """An engine that takes many steps at once, and many members' white inputs."""

    taken: int
    """Steps of the last block that were taken: what raises in a block has left its members there."""

    def steps(self, first: int, low: Tensor, high: Tensor, rates: list[list[float]]) -> None:
        """Steps ``first``, ``first + 1``, ... on (n, B, 1, p, p), (n, B, 1, sp, sp); ``rates``: a row a step."""

    def whiten_all(self, indices: Sequence[int], low: Tensor, fresh: bool) -> None:
        """``whiten`` of some members."""


def upload(values: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers onto a device; the host goes on at once (from pinned memory nothing is waited for)."""
    tensor = torch.as_tensor(values, dtype=dtype)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
