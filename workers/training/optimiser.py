"""One training step: Adam, for the eSR families on the cosine coefficients of each filter and faster on its gates;
for ESPCN and eSR-CNN orthogonal steps on whitened inputs, where the recipe says so (``workers.training.whitening``).

Neighbouring pixels are similar, so the gradient is nearly the same for all taps of a filter, and Adam's step size per
tap cannot distinguish smooth from sharp patterns. In the orthonormal cosine basis (DCT-II) the gradients of smooth and
sharp parts are nearly independent, and each gets its own step size (docs/decisions/031-descent.md).

Vectors here are flat: all trained parameters of a module, in its order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor, nn

from search_space.architectures.edge_sr import EdgeSRTM, EdgeSRTR, OneLayerNet
from search_space.architectures.espcn import SubPixelCNN
from search_space.architectures.esr_cnn import EdgeSRCNN
from search_space.architectures.linear import LinearFilter
from workers.training.recipe import Recipe
from workers.training.whitening import Layer, gain, inverses, layers_of, orthogonal


def trained(module: nn.Module) -> list[nn.Parameter]:
    """The weights that training changes."""
    return [p for p in module.parameters() if p.requires_grad]


def flat(module: nn.Module) -> Tensor:
    """All trained weights of a module in one vector, a copy."""
    return torch.cat([p.detach().reshape(-1) for p in trained(module)])


def split(vector: Tensor, module: nn.Module) -> list[Tensor]:
    """A flat vector as pieces of the shapes of the module's trained weights."""
    parts = torch.split(vector, [p.numel() for p in trained(module)])
    return [part.view_as(p) for part, p in zip(parts, trained(module), strict=True)]


def set_weights(vector: Tensor, module: nn.Module) -> None:
    """The inverse of ``flat``."""
    with torch.no_grad():
        for parameter, part in zip(trained(module), split(vector, module), strict=True):
            parameter.copy_(part)


@cache
def cosine_basis(side: int) -> Tensor:
    """(side * side, side * side) float64, orthonormal: column j holds the taps of cosine pattern j, row-major.

    >>> basis = cosine_basis(3)
    >>> bool(torch.allclose(basis.T @ basis, torch.eye(9, dtype=torch.float64)))
    True
    """
    n = torch.arange(side, dtype=torch.float64)
    line = torch.cos(math.pi * (n[:, None] + 0.5) * n[None] / side) * math.sqrt(2 / side)
    line[:, 0] /= math.sqrt(2)
    return torch.kron(line, line)


@dataclass(frozen=True)
class Turned:
    """Consecutive filters of a flat vector that are trained on their cosine coefficients."""

    start: int
    rows: int
    side: int

    @property
    def part(self) -> slice:
        """Where in the vector."""
        return slice(self.start, self.start + self.rows * self.side**2)


@dataclass(frozen=True)
class Rule:
    """How a module's step differs from Adam's: ``turned`` filters, and a ``multiplier`` (parameters,) of steps.

    A module with ``layers`` takes orthogonal steps instead. It has no second moments: their vector holds its weights
    of the last refresh, from which a resume computes the same whitening again.
    """

    turned: tuple[Turned, ...]
    multiplier: Tensor
    layers: tuple[Layer, ...] = ()
    momentum: float = 0.0
    """Of the orthogonal steps."""

    def to_coefficients(self, taps: Tensor) -> Tensor:
        """A copy with every turned filter's taps replaced by its cosine coefficients."""
        return self._turn(taps, back=False)

    def to_taps(self, coefficients: Tensor) -> Tensor:
        """The inverse of ``to_coefficients``."""
        return self._turn(coefficients, back=True)

    def _turn(self, vector: Tensor, back: bool) -> Tensor:
        if not self.turned:
            return vector
        out = vector.clone()
        for block in self.turned:
            basis = cosine_basis(block.side).to(vector)
            out[block.part] = (vector[block.part].view(-1, block.side**2) @ (basis.T if back else basis)).view(-1)
        return out


def rule_of(module: nn.Module, recipe: Recipe) -> Rule:
    """A recipe's rule for a module: plain Adam for families without one of their own."""
    choices = {
        SubPixelCNN: (recipe.espcn, recipe.momentum),
        EdgeSRCNN: (recipe.esr_cnn, recipe.esr_cnn_momentum),
    }
    steps, momentum = choices.get(type(module), ("adam", 0.0))
    if steps == "orthogonal":
        return Rule((), torch.ones_like(flat(module)), layers_of(module), momentum)
    gates = _gates(module)
    turned: list[Turned] = []
    multipliers: list[Tensor] = []
    start = 0
    for parameter in trained(module):
        multiplier = torch.ones(parameter.shape)
        if gates is not None and parameter is gates[0]:
            multiplier[gates[1]] = recipe.deep_gate if isinstance(module, EdgeSRCNN) else recipe.gate
        multipliers.append(multiplier.reshape(-1))
        square = parameter.dim() == 4 and parameter.shape[-1] > 1
        if recipe.filters == "cosine" and square and isinstance(module, (OneLayerNet, LinearFilter, EdgeSRCNN)):
            turned.append(Turned(start, parameter.shape[0] * parameter.shape[1], parameter.shape[-1]))
        start += parameter.numel()
    return Rule(tuple(turned), torch.cat(multipliers))


def _gates(module: nn.Module) -> tuple[Tensor, slice] | None:
    """The filters whose outputs choose between templates (keys and queries): the weight and its rows."""
    if isinstance(module, (EdgeSRTM, EdgeSRTR)):
        weight, maps = module.filter.weight, module.maps
    elif isinstance(module, EdgeSRCNN):
        last = module.filter[-1]
        assert isinstance(last, nn.Conv2d)
        weight, maps = last.weight, 2
    else:
        return None
    return weight, slice(weight.shape[0] // maps, None)


class Optimiser:
    """A module's optimiser. ``first`` and ``second`` are Adam's moments, of coefficients where filters are turned.

    ``whiten`` before the first step, after a restore, and at every refresh.
    """

    def __init__(self, module: nn.Module, recipe: Recipe) -> None:
        """The module's trained parameters become views of the flat ``weights``."""
        self._module, self._parameters, self._recipe = module, trained(module), recipe
        rule = rule_of(module, recipe)
        self.weights = flat(module)
        self.rule = replace(rule, multiplier=rule.multiplier.to(self.weights.device))
        self._inverses: list[Tensor] = []
        self.first, self.second = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        for parameter, part in zip(self._parameters, split(self.weights, module), strict=True):
            parameter.data = part

    def zero_gradients(self) -> None:
        """Drop the gradients of the last step."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def whiten(self, low: Tensor, fresh: bool) -> None:
        """Take the second moments of layer inputs on ``low`` (N, 1, p, p) at the present weights (``fresh``), or at
        those of the last refresh."""
        if not self.rule.layers:
            return
        if fresh:
            self.second.copy_(self.weights)
        self._inverses = inverses_at(self.second, self._module, low)

    @torch.no_grad()
    def step(self, step: int, rate: float) -> None:
        """Step number ``step`` (0-based) at learning rate ``rate``, from the gradients in the parameters."""
        beta1, beta2 = self._recipe.betas
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        gradient = self.rule.to_coefficients(torch.cat([part.reshape(-1) for part in gradients]))
        if self.rule.layers:
            fresh = 1 - self.rule.momentum
            self.first.lerp_(gradient, fresh)
            moved = orthogonal_steps(self.first.lerp(gradient, fresh), self.rule.layers, self._inverses)
            self.weights.sub_(moved, alpha=rate)
            return
        self.first.lerp_(gradient, 1 - beta1)
        self.second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        spread = (self.second / (1 - beta2 ** (step + 1))).sqrt_().add_(self._recipe.eps)
        moved = self.rule.to_taps(self.first / spread * self.rule.multiplier)
        self.weights.sub_(moved, alpha=rate / (1 - beta1 ** (step + 1)))


def inverses_at(weights: Tensor, module: nn.Module, low: Tensor) -> list[Tensor]:
    """``whitening.inverses`` of a module at other weights; its own are restored."""
    own = flat(module)
    set_weights(weights, module)
    try:
        return inverses(module, low)
    finally:
        set_weights(own, module)


def orthogonal_steps(momentum: Tensor, layers: tuple[Layer, ...], inverse: list[Tensor]) -> Tensor:
    """The step of every layer, flat as ``momentum`` is."""
    out = torch.empty_like(momentum)
    for layer, matrix in zip(layers, inverse, strict=True):
        taps = slice(layer.start, layer.start + layer.rows * layer.width)
        biases = slice(layer.bias, layer.bias + layer.rows)
        rows = momentum[taps].view(layer.rows, -1)
        if layer.bias >= 0:
            rows = torch.cat([rows, momentum[biases, None]], dim=1)
        moved = orthogonal(rows, matrix) * gain(*rows.shape)
        out[taps] = moved[:, : layer.width].reshape(-1)
        if layer.bias >= 0:
            out[biases] = moved[:, -1]
    return out
