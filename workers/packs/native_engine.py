"""Members trained by the compiled step on a CPU: weights in one buffer, every core at work on some member."""

from __future__ import annotations

import ctypes
import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from workers.packs.compiled import library
from workers.packs.engine import State
from workers.packs.layout import net_of, program
from workers.training.optimiser import flat, inverses_at, rule_of
from workers.training.recipe import Recipe
from workers.training.whitening import gain

UNITS = 8
"""Pieces of work a step is cut into at least, where members are few; more would wait less and pack weights more."""


class NativeEngine:
    """Takes modules of the edge-SR, ESPCN, eSR-CNN and FSRCNN families, all of one scale. Float32 only."""

    name: ClassVar[str] = "compiled"
    sources: ClassVar[tuple[str, ...]] = ("native/*", "compiled.py", "layout.py", "native_engine.py")

    def __init__(self, modules: list[nn.Module], recipe: Recipe, scale: int) -> None:
        """Raises MemoryError where there is not enough; ValueError for a module it does not know."""
        found = library()
        nets = [net for module in modules if (net := net_of(module, scale)) is not None]
        if found is None or len(nets) != len(modules):
            raise ValueError("the compiled step does not know all of these modules")
        self.recipe, self.library = recipe, found
        # One thread needs no cutting, and then a member's bits do not depend on who shares its pack.
        threads = torch.get_num_threads()
        chunks = 1 if threads == 1 else max(1, min(4, recipe.batch, -(-UNITS // len(nets))))
        numbers = torch.tensor(program(nets, recipe, scale, chunks), dtype=torch.int64)
        self._handle = self.library.pack_new(numbers.data_ptr(), threads)
        if not self._handle:
            raise MemoryError(f"a pack of {len(modules)} does not fit in memory")
        self._edges = [0]
        for net in nets:
            self._edges.append(self._edges[-1] + net.parameters)
        self._modules = modules
        rules = [rule_of(module, recipe) for module in modules]
        self._layers = [rule.layers for rule in rules]
        self._multiplier = torch.cat([rule.multiplier for rule in rules])
        turned = [(index, one.start, one.rows, one.side) for index, rule in enumerate(rules) for one in rule.turned]
        blocks = torch.tensor(turned, dtype=torch.int64)
        self.library.pack_rule(self._handle, self._multiplier.data_ptr(), blocks.data_ptr(), len(turned))
        layers = [
            (index, one.start, one.rows, one.width, one.bias) for index, own in enumerate(self._layers) for one in own
        ]
        numbers = torch.tensor(layers, dtype=torch.int64)
        factors = torch.tensor([(gain(one.rows, one.inputs), rule.momentum) for rule in rules for one in rule.layers])
        if self.library.pack_layers(self._handle, numbers.data_ptr(), factors.data_ptr(), len(layers)):
            raise MemoryError(f"a pack of {len(modules)} does not fit in memory")
        self.weights = torch.cat([flat(module) for module in modules])
        self.first, self.second = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self._losses = torch.zeros(len(nets), dtype=torch.float64)

    def __del__(self) -> None:
        handle, self._handle = getattr(self, "_handle", None), None
        if handle:
            self.library.pack_free(handle)

    def step(self, step: int, low: Tensor, high: Tensor, rates: list[float]) -> None:
        """See ``Engine``."""
        beta1, beta2 = self.recipe.betas
        first_correction = 1 - beta1 ** (step + 1)
        # Orthogonal steps have no size of their own to correct.
        scaled = torch.tensor(
            [rate if own else rate / first_correction for rate, own in zip(rates, self._layers, strict=True)],
            dtype=torch.float32,
        )
        low, high = low.contiguous(), high.contiguous()
        buffers = (low, high, self.weights, self.first, self.second, scaled, self._losses)
        failed = self.library.pack_step(
            self._handle,
            *(ctypes.c_void_p(buffer.data_ptr()) for buffer in buffers),
            beta1,
            beta2,
            self.recipe.eps,
            math.sqrt(1 - beta2 ** (step + 1)),
        )
        if failed:
            raise MemoryError("a training step does not fit in memory")

    def whiten(self, index: int, low: Tensor, fresh: bool) -> None:
        """See ``Engine``."""
        if not self._layers[index]:
            return
        mine = slice(self._edges[index], self._edges[index + 1])
        if fresh:
            self.second[mine] = self.weights[mine]
        found = torch.cat([one.reshape(-1) for one in inverses_at(self.second[mine], self._modules[index], low)])
        self.library.pack_whiten(self._handle, index, found.data_ptr())

    def losses(self) -> list[float]:
        """See ``Engine``."""
        return [float(loss) for loss in self._losses]

    def state(self, index: int) -> State:
        """See ``Engine``."""
        mine = slice(self._edges[index], self._edges[index + 1])
        return State(self.weights[mine].clone(), self.first[mine].clone(), self.second[mine].clone())

    def restore(self, index: int, state: State) -> None:
        """See ``Engine``."""
        mine = slice(self._edges[index], self._edges[index + 1])
        for buffer, part in zip(
            (self.weights, self.first, self.second), (state.weights, state.first, state.second), strict=True
        ):
            buffer[mine] = part
