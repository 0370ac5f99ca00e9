"""Members of families that cannot be fused: one after another under autograd, on the shared patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workers.packs.engine import State
from workers.training.optimiser import Descent
from workers.training.recipe import Recipe
from workers.training.train import inner, loss_of


class PlainEngine:
    """Takes any modules; a step costs what it costs alone, less the cutting of patches."""

    def __init__(
        self, modules: list[nn.Module], recipe: Recipe, scale: int, device: str | torch.device = "cpu"
    ) -> None:
        self.recipe, self.scale = recipe, scale
        self.modules = [module.to(device) for module in modules]
        self.descents = [Descent(module, recipe) for module in self.modules]
        self._losses = [0.0 * torch.zeros(()) for _ in modules]

    def step(self, step: int, low: Tensor, high: Tensor, rates: list[float]) -> None:
        """See ``Engine``."""
        border = self.recipe.border * self.scale
        target = inner(high, border)
        for index, (module, descent, rate) in enumerate(zip(self.modules, self.descents, rates, strict=True)):
            if rate <= 0:
                continue
            descent.forget()
            loss = loss_of(self.recipe.loss, inner(module(low), border), target)
            loss.backward()  # type: ignore[no-untyped-call]
            descent.step(step, rate)
            self._losses[index] = loss.detach()

    def whiten(self, index: int, low: Tensor, fresh: bool) -> None:
        """See ``Engine``."""
        self.descents[index].whiten(low, fresh)

    def losses(self) -> list[float]:
        """See ``Engine``."""
        return [float(loss) for loss in self._losses]

    def state(self, index: int) -> State:
        """See ``Engine``."""
        one = self.descents[index]
        return State(*(vector.cpu().clone() for vector in (one.weights, one.first, one.second)))

    def restore(self, index: int, state: State) -> None:
        """See ``Engine``."""
        one = self.descents[index]
        one.weights.copy_(state.weights)
        one.first.copy_(state.first)
        one.second.copy_(state.second)
