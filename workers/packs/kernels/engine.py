"""The members of a pack that the kernels train: one-layer nets and deep ones behind one ``Engine``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from workers.packs.engine import OptimiserState, upload
from workers.packs.kernels.deep import MOST_ROWS, DeepTrainer
from workers.packs.kernels.nets import deep_net_of
from workers.packs.kernels.one_layer import OneLayerTrainer
from workers.packs.kernels.slots import one_layer_of
from workers.training.optimiser import rule_of
from workers.training.recipe import Recipe

PRECISIONS = {"fp32": "tf32x3", "tf32": "tf32", "bf16": "bf16"}
"""What a recipe's precision is on tensor cores; tf32x3 is float32 in three parts, exact to its last bits."""


def knows(module: nn.Module, recipe: Recipe, scale: int) -> bool:
    """Whether there are kernels for a module under a recipe."""
    if one_layer_of(module) is not None:
        return True
    rows = [layer.rows for layer in rule_of(module, recipe).layers]
    return deep_net_of(module, scale) is not None and max(rows, default=0) <= MOST_ROWS


class KernelEngine:
    """Takes modules that ``knows`` says yes to, all of one scale."""

    name: ClassVar[str] = "kernels"
    sources: ClassVar[tuple[str, ...]] = ("kernels/*.py",)
    """Its own files, as patterns under ``workers/packs``."""

    def __init__(
        self, modules: Sequence[nn.Module], recipe: Recipe, scale: int, device: str | torch.device = "cuda"
    ) -> None:
        self.recipe, self.device, self.taken = recipe, torch.device(device), 0
        prec = PRECISIONS[recipe.precision]
        shallow = [i for i, module in enumerate(modules) if one_layer_of(module) is not None]
        deep = [i for i, module in enumerate(modules) if one_layer_of(module) is None]
        self.parts: list[tuple[list[int], OneLayerTrainer | DeepTrainer]] = []
        if shallow:
            trainer = OneLayerTrainer([modules[i] for i in shallow], recipe, scale, self.device, prec)
            self.parts.append((shallow, trainer))
        if deep:
            self.parts.append((deep, DeepTrainer([modules[i] for i in deep], recipe, scale, self.device, prec)))
        self._place = {member: (part, at) for mine, part in self.parts for at, member in enumerate(mine)}

    def step(self, step: int, low: Tensor, high: Tensor, rates: list[float]) -> None:
        """See ``Engine``."""
        self.steps(step, low[None], high[None], [rates])

    def steps(self, first: int, low: Tensor, high: Tensor, rates: list[list[float]]) -> None:
        """See ``BlockEngine``."""
        self.taken = 0
        beta1, beta2 = self.recipe.betas
        corrections = [
            (math.sqrt(1 - beta2 ** (n + 1)), 1 / (1 - beta1 ** (n + 1))) for n in range(first, first + len(rates))
        ]
        schedule = upload(corrections, torch.float32, self.device)
        # All that can fail for want of memory comes before the first launch.
        tables = [
            upload([[row[i] for i in mine] + [0.0] for row in rates], torch.float32, self.device)
            for mine, _ in self.parts
        ]
        for (_, part), table in zip(self.parts, tables, strict=True):
            part.steps(low, high, table, schedule)
        self.taken = len(rates)

    def whiten(self, index: int, low: Tensor, fresh: bool) -> None:
        """See ``Engine``."""
        self.whiten_all([index], low, fresh)

    def whiten_all(self, indices: Sequence[int], low: Tensor, fresh: bool) -> None:
        """See ``BlockEngine``."""
        for mine, part in self.parts:
            if isinstance(part, DeepTrainer):
                part.whiten([mine.index(i) for i in indices if i in mine], low, fresh)

    def losses(self) -> list[float]:
        """See ``Engine``."""
        out = [0.0] * len(self._place)
        for mine, part in self.parts:
            for member, loss in zip(mine, part.losses(), strict=True):
                out[member] = loss
        return out

    def state(self, index: int) -> OptimiserState:
        """See ``Engine``."""
        part, at = self._place[index]
        return part.state(at)

    def restore(self, index: int, state: OptimiserState) -> None:
        """See ``Engine``."""
        part, at = self._place[index]
        part.restore(at, state)
