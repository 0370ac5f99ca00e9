"""Costs measured on a torch module: for families without arithmetic, and to check those that have it."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from search_space.config import Config

_SIDES = (33, 65, 129, 257)
"""Low-resolution sides tried for the receptive field, until it no longer touches the border."""


def _build(config: Config) -> nn.Module:
    """The module as deployed; torch's generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = config.build()
    fused = getattr(module, "fused", None)
    return (fused() if callable(fused) else module).eval()


def parameters(config: Config) -> int:
    """Numbers a deployed module carries: parameters and floating-point buffers."""
    module = _build(config)
    buffers = sum(b.numel() for b in module.buffers() if b.is_floating_point())
    return buffers + sum(p.numel() for p in module.parameters())


def macs(config: Config, height: int, width: int) -> int:
    """Multiply-accumulates for one ``height`` x ``width`` output, counted without memory or arithmetic."""
    module = _build(config).to("meta")
    x = torch.empty(1, 1, height // config.scale, width // config.scale, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    return int(counter.get_total_flops()) // 2


def receptive_field(config: Config) -> int:
    """Side of the low-resolution square whose pixels move one output pixel, from gradients.

    Weights are drawn at random, so that a tap that happens to be zero is not mistaken for one that
    is absent. Raises nothing; a field larger than 257 pixels is reported as 257.
    """
    module = _build(config).double()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.data.add_(0.05 * torch.randn_like(tensor))
        for side in _SIDES:
            extent = max(_seen(module, side, config.scale, draw) for draw in range(3))
            if extent < side - 1:
                return extent
    return _SIDES[-1]


def _seen(module: nn.Module, side: int, scale: int, draw: int) -> int:
    """Largest extent over the s*s output pixels that lie in the middle low-resolution pixel."""
    torch.manual_seed(draw)
    x = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    out = module(x)
    middle = side // 2 * scale
    extent = 0
    for row in range(scale):
        for column in range(scale):
            (gradient,) = torch.autograd.grad(out[0, 0, middle + row, middle + column], x, retain_graph=True)
            for dim in (0, 1):
                touched = (gradient[0, 0] != 0).any(dim=1 - dim).nonzero().flatten()
                if touched.numel():
                    extent = max(extent, int(touched[-1] - touched[0]) + 1)
    return extent
