"""Families that cannot be fused: members one after another with autograd, on the shared patches."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from workers.packs.engine import OptimiserState
from workers.training.optimiser import Optimiser
from workers.training.precision import forward
from workers.training.recipe import Recipe
from workers.training.train import inner, loss_of


class PlainEngine:
    """Supports any module; a step costs as much as in training alone, except for cutting patches."""

    name: ClassVar[str] = "plain"
    sources: ClassVar[tuple[str, ...]] = ("plain_engine.py",)

    def __init__(
        self, modules: list[nn.Module], recipe: Recipe, scale: int, device: str | torch.device = "cpu"
    ) -> None:
        self.recipe, self.scale = recipe, scale
        self.modules = [module.to(device) for module in modules]
        self.optimisers = [Optimiser(module, recipe) for module in self.modules]
        self._losses = [0.0 * torch.zeros(()) for _ in modules]

    def step(self, step: int, low: Tensor, high: Tensor, rates: list[float]) -> None:
        """See ``Engine``."""
        border = self.recipe.border * self.scale
        target = inner(high, border)
        for index, (module, optimiser, rate) in enumerate(zip(self.modules, self.optimisers, rates, strict=True)):
            if rate <= 0:
                continue
            optimiser.zero_gradients()
            with forward(self.recipe.precision, low.device):
                output = module(low)
            loss = loss_of(self.recipe.loss, inner(output.float(), border), target)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step(step, rate)
            self._losses[index] = loss.detach()

    def whiten(self, index: int, low: Tensor, fresh: bool) -> None:
        """See ``Engine``."""
        self.optimisers[index].whiten(low, fresh)

    def losses(self) -> list[float]:
        """See ``Engine``."""
        return [float(loss) for loss in self._losses]

    def state(self, index: int) -> OptimiserState:
        """See ``Engine``."""
        optimiser = self.optimisers[index]
        return OptimiserState(
            *(vector.cpu().clone() for vector in (optimiser.weights, optimiser.first, optimiser.second))
        )

    def restore(self, index: int, state: OptimiserState) -> None:
        """See ``Engine``."""
        optimiser = self.optimisers[index]
        optimiser.weights.copy_(state.weights)
        optimiser.first.copy_(state.first)
        optimiser.second.copy_(state.second)
