"""Members of families that cannot be fused: one after another under autograd, on the shared patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workers.packs.engine import State, flat, pour, split, trained
from workers.recipe import Recipe
from workers.training import inner, loss_of


class PlainEngine:
    """Takes any modules; a step costs what it costs alone, less the cutting of patches."""

    def __init__(
        self, modules: list[nn.Module], recipe: Recipe, scale: int, device: str | torch.device = "cpu"
    ) -> None:
        self.recipe, self.scale = recipe, scale
        self.modules = [module.to(device) for module in modules]
        self.optimisers = [
            torch.optim.Adam(trained(m), lr=recipe.lr, betas=recipe.betas, eps=recipe.eps) for m in modules
        ]
        self._losses = [0.0 * torch.zeros(()) for _ in modules]

    def step(self, step: int, low: Tensor, high: Tensor, rates: list[float]) -> None:
        """See ``Engine``."""
        border = self.recipe.border * self.scale
        target = inner(high, border)
        for index, (module, optimiser, rate) in enumerate(zip(self.modules, self.optimisers, rates, strict=True)):
            if rate <= 0:
                continue
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(self.recipe.loss, inner(module(low), border), target)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            self._losses[index] = loss.detach()

    def losses(self) -> list[float]:
        """See ``Engine``."""
        return [float(loss) for loss in self._losses]

    def state(self, index: int) -> State:
        """See ``Engine``."""
        module, known = self.modules[index], self.optimisers[index].state
        weights = flat(module).cpu().clone()
        moments = [
            torch.cat([known[p][name].reshape(-1) for p in trained(module)]).cpu()
            if known
            else torch.zeros_like(weights)
            for name in ("exp_avg", "exp_avg_sq")
        ]
        return State(weights, moments[0], moments[1])

    def restore(self, index: int, state: State, steps: int = 0) -> None:
        """See ``Engine``; Adam here counts its own steps."""
        module, optimiser = self.modules[index], self.optimisers[index]
        pour(state.weights, module)
        if steps:
            first, second = split(state.first, module), split(state.second, module)
            for parameter, m, v in zip(trained(module), first, second, strict=True):
                optimiser.state[parameter] = {
                    "step": torch.tensor(float(steps)),
                    "exp_avg": m.to(parameter.device).clone(),
                    "exp_avg_sq": v.to(parameter.device).clone(),
                }
