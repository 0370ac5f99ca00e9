"""The compiled step on a CPU: all weights in one buffer, members spread over the cores."""

from __future__ import annotations

import ctypes
import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from workers.packs.compiled import library
from workers.packs.engine import OptimiserState
from workers.packs.layout import net_of, program
from workers.training.optimiser import flat, inverses_at, rule_of
from workers.training.recipe import Recipe
from workers.training.whitening import gain

UNITS = 8
"""Least number of work units per step, where members are few; more would balance better but pack weights more often."""


class NativeEngine:
    """Takes modules of the edge-SR, ESPCN, eSR-CNN and FSRCNN families, all of one scale. Float32 only."""

    name: ClassVar[str] = "compiled"
    sources: ClassVar[tuple[str, ...]] = ("native/*", "compiled.py", "layout.py", "native_engine.py")

    def __init__(self, modules: list[nn.Module], recipe: Recipe, scale: int) -> None:
        """Raises MemoryError when memory is short; ValueError for a module that it does not support."""
        loaded = library()
        nets = [net for module in modules if (net := net_of(module, scale)) is not None]
        if loaded is None or len(nets) != len(modules):
            raise ValueError("the compiled step does not support all of these modules")
        self.recipe, self.library = recipe, loaded
        # One thread needs no chunks; without them a member's result does not depend on its pack, bit for bit.
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
        turned = [
            (index, block.start, block.rows, block.side) for index, rule in enumerate(rules) for block in rule.turned
        ]
        blocks = torch.tensor(turned, dtype=torch.int64)
        self.library.pack_rule(self._handle, self._multiplier.data_ptr(), blocks.data_ptr(), len(turned))
        layers = [
            (index, layer.start, layer.rows, layer.width, layer.bias)
            for index, own in enumerate(self._layers)
            for layer in own
        ]
        numbers = torch.tensor(layers, dtype=torch.int64)
        factors = torch.tensor(
            [(gain(layer.rows, layer.inputs), rule.momentum) for rule in rules for layer in rule.layers]
        )
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
        # Orthogonal steps have unit size: there is no bias to correct.
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
        part = slice(self._edges[index], self._edges[index + 1])
        if fresh:
            self.second[part] = self.weights[part]
        matrices = inverses_at(self.second[part], self._modules[index], low)
        inverses = torch.cat([matrix.reshape(-1) for matrix in matrices])
        self.library.pack_whiten(self._handle, index, inverses.data_ptr())

    def losses(self) -> list[float]:
        """See ``Engine``."""
        return [float(loss) for loss in self._losses]

    def state(self, index: int) -> OptimiserState:
        """See ``Engine``."""
        part = slice(self._edges[index], self._edges[index + 1])
        return OptimiserState(self.weights[part].clone(), self.first[part].clone(), self.second[part].clone())

    def restore(self, index: int, state: OptimiserState) -> None:
        """See ``Engine``."""
        part = slice(self._edges[index], self._edges[index + 1])
        for buffer, vector in zip(
            (self.weights, self.first, self.second), (state.weights, state.first, state.second), strict=True
        ):
            buffer[part] = vector
