"""Members trained as one batched network under autograd: any device, and the way without a C++ compiler."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workers.packs.engine import OptimiserState, upload
from workers.packs.kernels.graph import StepGraph
from workers.packs.kernels.nets import deep_net_of
from workers.packs.kernels.white import input_moments, inverses_of
from workers.packs.stack import Stack
from workers.training.optimiser import cosine_basis, inverses_at, rule_of
from workers.training.precision import forward
from workers.training.recipe import Recipe
from workers.training.train import inner
from workers.training.whitening import gain, orthogonal

Factor = float | Tensor
"""A number of the host, or one that lies on the device."""


class StackedEngine:
    """Takes modules of one structure (``stack.structure_of``)."""

    name: ClassVar[str] = "stacked"
    sources: ClassVar[tuple[str, ...]] = (
        "stack.py",
        "stacked_engine.py",
        "kernels/graph.py",
        "kernels/nets.py",
        "kernels/white.py",
    )

    def __init__(
        self, modules: list[nn.Module], recipe: Recipe, scale: int, device: str | torch.device = "cpu"
    ) -> None:
        self.stack, self.recipe, self.scale = Stack(modules, scale, device), recipe, scale
        self.weights = [w.requires_grad_() for w in self.stack.weights]
        self.first, self.second = self.stack.empty(), self.stack.empty()
        rules = [rule_of(module, recipe) for module in modules]
        self._multipliers = self.stack.empty()
        for index, rule in enumerate(rules):
            self.stack.put_flat(self._multipliers, index, rule.multiplier)
        self._bases = self._make_bases() if rules[0].turned else [None] * len(self.weights)
        self._layers, self._momentum = [rule.layers for rule in rules], rules[0].momentum
        self._inverses = self._make_inverses() if self._layers[0] else []
        self._gains = self._make_gains()
        self._losses = torch.zeros(len(modules), device=device)
        self.taken = 0
        self._everyone = True
        """Whether every member moves in the block at hand."""
        self._clock = torch.zeros(1, dtype=torch.int64, device=device)
        """The step of a block, on the device."""
        self._graphs: dict[bool, StepGraph | None] = {}

    def steps(self, first: int, low: Tensor, high: Tensor, rates: list[list[float]]) -> None:
        """See ``BlockEngine``. On a GPU all rates go there at once; from the second block on a step is a CUDA graph."""
        self.taken = 0
        if self.stack.device.type != "cuda":
            for at, row in enumerate(rates):
                self.step(first + at, low[at], high[at], row)
                self.taken += 1
            return
        corrections = [self._corrections(step) for step in range(first, first + len(rates))]
        table, schedule = (upload(values, torch.float32, self.stack.device) for values in (rates, corrections))
        given = (low.contiguous(), high.contiguous(), table, schedule)
        self._everyone = all(map(all, rates))
        self._clock.zero_()
        graph = self._graphs.get(self._everyone)
        if graph is not None and graph.takes(given):
            graph.replay(given)
            self.taken = len(rates)
            return
        bound = self.bind(*given)
        for _ in rates:
            self.one_step(bound)
            self.taken += 1
        if self._everyone not in self._graphs and len(rates) > 1:
            self._clock.zero_()
            self._graphs[self._everyone] = StepGraph.captured(self, given)

    def bind(self, low: Tensor, high: Tensor, rates: Tensor, corrections: Tensor) -> list[Tensor]:
        """See ``graph.Stepper``."""
        return [low, high, rates, corrections]

    def one_step(self, bound: list[Tensor]) -> None:
        """The step of a block that the clock says; the clock moves on."""
        low, high, rates, corrections = (one.index_select(0, self._clock)[0] for one in bound)
        self._step(low, high, rates, corrections[0], corrections[1], self._everyone)
        self._clock.add_(1)

    def step(self, step: int, low: Tensor, high: Tensor, rates: list[float]) -> None:
        """See ``Engine``."""
        self._step(low, high, upload(rates, torch.float32, self.stack.device), *self._corrections(step), all(rates))

    def _corrections(self, step: int) -> tuple[float, float]:
        """What Adam divides by at a step: root of the second moment's correction, the first's."""
        beta1, beta2 = self.recipe.betas
        return math.sqrt(1 - beta2 ** (step + 1)), 1 - beta1 ** (step + 1)

    def _step(self, low: Tensor, high: Tensor, rates: Tensor, root: Factor, correction: Factor, everyone: bool) -> None:
        """Gradients are whole before the first weight changes: a failed step changes nothing."""
        with forward(self.recipe.precision, low.device):
            out = self.stack.outputs(low, self.weights, self.recipe.border)
        target = F.pixel_unshuffle(inner(high, self.recipe.border * self.scale), self.scale)[:, None]
        losses = _losses(self.recipe.loss, out - target)
        gradients = torch.autograd.grad(losses.sum(), self.weights)
        self._losses.copy_(losses.detach())
        if self._inverses:
            self._step_orthogonally(gradients, rates)
        else:
            self._update(gradients, rates / correction, root, everyone)

    @torch.no_grad()
    def whiten(self, index: int, low: Tensor, fresh: bool) -> None:
        """See ``Engine``."""
        if not self._inverses:
            return
        module = self.stack.modules[index]
        if fresh:
            self.stack.put_flat(self.second, index, self.stack.take(self.weights, index))
        found = inverses_at(self.stack.take(self.second, index), module.cpu(), low.cpu())
        self._put_inverses(index, found)

    @torch.no_grad()
    def whiten_all(self, indices: Sequence[int], low: Tensor, fresh: bool) -> None:
        """See ``BlockEngine``: on a GPU many inverses at once, there."""
        if not self._inverses:
            return
        if low.device.type == "cpu":
            for index in indices:
                self.whiten(index, low, fresh)
            return
        moments: list[Tensor] = []
        for index in indices:
            if fresh:
                self.stack.put_flat(self.second, index, self.stack.take(self.weights, index))
            net = deep_net_of(self.stack.modules[index], self.scale)
            assert net is not None
            vector = self.stack.take(self.second, index).to(low.device)
            moments += input_moments(net, vector, low, self._layers[index])
        found = iter(inverses_of(moments))
        for index in indices:
            self._put_inverses(index, [next(found) for _ in self._layers[index]])

    def _put_inverses(self, index: int, found: Sequence[Tensor]) -> None:
        for layer, room, one in zip(self._layers[index], self._inverses, found, strict=True):
            # Channels are padded at the end; a bias is last in both.
            bias = [room.shape[-1] - 1] if layer.bias >= 0 else []
            at = torch.tensor([*range(layer.width), *bias]).to(room.device)
            room[index] = 0.0
            room[index][at[:, None], at] = one.to(room.device)

    @torch.no_grad()
    def _step_orthogonally(self, gradients: tuple[Tensor, ...], rates: Tensor) -> None:
        """Every member's layers at once; padding has no moments and so no step."""
        fresh = 1 - self._momentum
        rate = rates[:, None, None]
        parts = zip(*map(_matrices, (gradients, self.first, self.weights)), strict=True)
        for i, (gradient, first, weights) in enumerate(parts):
            slope, old = (torch.cat([one.flatten(2) for one in part], dim=2) for part in (gradient, first))
            new = torch.where(rate > 0, old.lerp(slope, fresh), old)
            moved = orthogonal(new.lerp(slope, fresh), self._inverses[i]) * (self._gains[i] * rate)
            for moments, values, a, b in zip(first, weights, *map(_like(first), (new, moved)), strict=True):
                moments.copy_(a)
                values.sub_(b)

    @torch.no_grad()
    def _update(self, gradients: tuple[Tensor, ...], rate: Tensor, root: Factor, everyone: bool) -> None:
        """Adam, each member with a rate of its own; members at rate 0 keep their moments too.

        All weights in one operation each, in place: a stack has few numbers, and each launch costs more than they do.
        """
        beta1, beta2 = self.recipe.betas
        masked = torch._foreach_mul(gradients, self.stack.masks)
        turned = [_turn(one, basis, back=False) for one, basis in zip(masked, self._bases, strict=True)]
        kept = [] if everyone else [[t.clone() for t in tensors] for tensors in (self.first, self.second)]
        torch._foreach_lerp_(self.first, turned, 1 - beta1)
        torch._foreach_mul_(self.second, beta2)
        torch._foreach_addcmul_(self.second, turned, turned, 1 - beta2)
        spread = torch._foreach_sqrt(self.second)
        torch._foreach_div_(spread, root)
        torch._foreach_add_(spread, self.recipe.eps)
        moved = list(torch._foreach_div(self.first, spread))
        torch._foreach_mul_(moved, self._multipliers)
        moved = [_turn(one, basis, back=True) for one, basis in zip(moved, self._bases, strict=True)]
        by_member = [rate.view(-1, *[1] * (one.dim() - 1)) for one in moved]
        if not everyone:
            for i, (first, second) in enumerate(zip(*kept, strict=True)):
                active = by_member[i] > 0
                self.first[i].copy_(torch.where(active, self.first[i], first))
                self.second[i].copy_(torch.where(active, self.second[i], second))
                moved[i] = moved[i].masked_fill(~active, 0.0)
        torch._foreach_mul_(moved, by_member)
        torch._foreach_sub_(self.weights, moved)

    def _make_inverses(self) -> list[Tensor]:
        """For each layer room for the members' inverses, padded as its inputs are."""
        sizes = [sum(one[0, 0].numel() for one in part) for part in _matrices(self.weights)]
        return [torch.zeros(len(self.stack.modules), n, n, device=self.stack.device) for n in sizes]

    def _make_gains(self) -> list[Tensor]:
        """For each layer the members' gains (members, 1, 1)."""
        rows = [[gain(layer.rows, layer.inputs) for layer in layers] for layers in self._layers]
        return [torch.tensor(one)[:, None, None].to(self.stack.device) for one in zip(*rows, strict=True)]

    def _make_bases(self) -> list[Tensor | None]:
        """For each weight of k x k filters the members' cosine bases (members, K * K, K * K) where K pads k."""
        out: list[Tensor | None] = []
        for i, room in enumerate(self.stack.padded):
            side = room[-1]
            if len(room) < 4 or side == 1:
                out.append(None)
                continue
            bases = torch.zeros(len(self.stack.modules), side**2, side**2)
            for basis, shapes in zip(bases, self.stack.shapes, strict=True):
                k = shapes[i][-1]
                window = torch.arange(side**2).view(side, side)
                first = (side - k) // 2
                at = window[first : first + k, first : first + k].reshape(-1)
                basis[at[:, None], at[None]] = cosine_basis(k).float()
            out.append(bases.to(self.stack.device))
        return out

    def losses(self) -> list[float]:
        """See ``Engine``."""
        return [float(loss) for loss in self._losses.tolist()]

    def state(self, index: int) -> OptimiserState:
        """See ``Engine``."""
        return OptimiserState(*(self.stack.take(t, index) for t in (self.weights, self.first, self.second)))

    @torch.no_grad()
    def restore(self, index: int, state: OptimiserState) -> None:
        """See ``Engine``."""
        for tensors, vector in zip(
            (self.weights, self.first, self.second), (state.weights, state.first, state.second), strict=True
        ):
            self.stack.put_flat(tensors, index, vector)


def _matrices(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Views (members, rows, ...) of what is stepped together: a weight and its bias; values, keys."""
    out = [[tensors[i], tensors[i + 1][..., None]] for i in range(0, len(tensors) - 1, 2)]
    if len(tensors) % 2:
        out += [[tensors[-1][:, i].flatten(1, 2)] for i in range(2)]
    return out


def _like(parts: list[Tensor]) -> Callable[[Tensor], list[Tensor]]:
    """Cuts (members, rows, inputs) as ``parts`` are put together."""
    sizes = [part[0, 0].numel() for part in parts]
    return lambda whole: [cut.view_as(part) for cut, part in zip(torch.split(whole, sizes, 2), parts, strict=True)]


def _turn(tensor: Tensor, bases: Tensor | None, back: bool) -> Tensor:
    """(members, ..., K, K) from taps to cosine coefficients, or back; as it is without bases."""
    if bases is None:
        return tensor
    rows = tensor.reshape(bases.shape[0], -1, bases.shape[-1])
    return torch.bmm(rows, bases.mT if back else bases).view(tensor.shape)


def _losses(kind: str, difference: Tensor) -> Tensor:
    """(B, members, s*s, h, w) to one loss a member, as ``training.loss_of``."""
    if kind == "mse":
        each = difference.square()
    elif kind == "l1":
        each = difference.abs()
    else:
        each = (difference.square() + 1e-6).sqrt()
    return each.mean((0, 2, 3, 4))
