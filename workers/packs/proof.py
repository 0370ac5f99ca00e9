"""An engine proves itself on a device before it is used: a tiny pack, a few steps, against plain PyTorch on the CPU.

What it cannot see: TF32 instead of float32, whose rounding may stay within the tolerances (``training.precision`` sets
the flags, and tests look at them); errors that take more steps or larger networks to show; races that did not happen.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Hashable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.config import Config
from search_space.ids import parse_id
from workers.packs.engine import BlockEngine, Engine
from workers.packs.kernels import graph
from workers.packs.plain_engine import PlainEngine
from workers.training.precision import applied
from workers.training.recipe import Recipe
from workers.training.train import initial_module

Make = Callable[[list[nn.Module], Recipe, int, torch.device], Engine]
PACK = (
    "eSR-MAX_s2_K3_C3", "eSR-MAX_s2_K5_C2", "eSR-TM_s2_K5_C6", "eSR-TR_s2_K7_C2", "Linear_s2_K3",
    "ESPCN_s2_D3_S6", "ESPCN_s2_D19_S3", "ESPCN_s2_D0_S3", "eSR-CNN_s2_C2_D1_S3", "eSR-CNN_s2_C4_D3_S6",
    "FSRCNN_s2_D6_S3_M1", "FSRCNN_s2_D19_S1_M1",
    "eSR-TM_s3_K3_C2", "ESPCN_s3_D0_S3", "FSRCNN_s3_D6_S1_M1",
    "eSR-MAX_s4_K3_C2", "eSR-CNN_s4_C2_D1_S3", "FSRCNN_s4_D6_S1_M1",
)  # fmt: skip
"""Each kind of work that engines do, and members of unlike sizes; at x3 and x4 what depends on the scale."""
LOSS = {2: "charbonnier", 3: "mse", 4: "l1"}
"""Each loss at one of the scales."""
PATCH = {2: 16, 3: 8, 4: 8}
"""Sides of patches; small where most was seen at x2 already."""
STEPS = 4
TOLERANCE = {"fp32": 0.02, "tf32": 0.2, "bf16": 0.8}
"""How far weights may differ, of how far they moved: in float32 the weight that differs most, else the root of the mean
square, for rounding turns single steps of Adam around."""
LOSS_TOLERANCE = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 0.1}
_log = logging.getLogger(__name__)


Alike = Callable[[nn.Module, int], Hashable]
"""What modules of one scale must have in common to be trained by one engine."""


@cache
def fault_of(name: str, make: Make, alike: Alike, precision: str, device: torch.device, spare: bool = True) -> str:
    """Why an engine must not be used on a device; empty where it agrees with the reference. Asked once a process.

    ``spare``: whether another takes over; the log says so.
    """
    fault = _compared(make, alike, precision, device)
    if fault and graph.allowed() and device.type == "cuda":
        graph.forbid(fault)
        by_launches = _compared(make, alike, precision, device)
        if not by_launches:
            _log.warning("steps of the %s engine are not replayed from CUDA graphs on %s: %s", name, device, fault)
            return ""
        graph.allow()
    if fault:
        left_out = "is not used on" if spare else "has no other to take over and differs from the reference on"
        _log.warning("the %s engine %s %s: %s", name, left_out, device, fault)
    return fault


def _compared(make: Make, alike: Alike, precision: str, device: torch.device) -> str:
    groups: dict[tuple[int, Hashable], list[Config]] = defaultdict(list)
    for config in map(parse_id, PACK):
        groups[config.scale, alike(initial_module(config, 0), config.scale)].append(config)
    for (scale, _), configs in groups.items():
        recipe = _recipe(precision, scale)
        low, high = _patches(recipe, scale)
        expected = PlainEngine(_modules(configs), _recipe("fp32", scale), scale, "cpu")
        start = [expected.state(i).weights for i in range(len(configs))]
        _trained(expected, configs, recipe, low, high)
        try:
            with applied(precision, device):
                engine = make(_modules(configs), recipe, scale, device)
                _trained(engine, configs, recipe, low.to(device), high.to(device))
            fault = _difference(engine, expected, start, configs, precision)
        except Exception as error:
            lines = str(error).strip().splitlines()
            fault = f"{type(error).__name__}: {lines[0][:200] if lines else ''}"
        if fault:
            return fault
    return ""


def _modules(configs: list[Config]) -> list[nn.Module]:
    return [initial_module(config, 0) for config in configs]


def _difference(engine: Engine, expected: Engine, start: list[Tensor], configs: list[Config], precision: str) -> str:
    losses, wanted = engine.losses(), expected.losses()
    for i, config in enumerate(configs):
        its = expected.state(i).weights
        moved, off = (_size(its - one, precision) for one in (start[i], engine.state(i).weights))
        if not off <= TOLERANCE[precision] * moved:
            return f"{config.id} is off by {off:.1e} after {STEPS} steps that moved its weights by {moved:.1e}"
        if not abs(losses[i] - wanted[i]) <= LOSS_TOLERANCE[precision] * wanted[i]:
            return f"{config.id} has a loss of {losses[i]:.6f} instead of {wanted[i]:.6f} after {STEPS} steps"
    return ""


def _size(difference: Tensor, precision: str) -> float:
    return float(difference.abs().max() if precision == "fp32" else difference.square().mean().sqrt())


def _recipe(precision: str, scale: int) -> Recipe:
    """Every way of stepping; the large epsilon keeps the rounding of tiny gradients from being blown up."""
    return Recipe(
        "proof", steps=STEPS, batch=2, patch=PATCH[scale], border=1, lr=1e-3, warmup=0, eps=1e-6, betas=(0.9, 0.99),
        filters="cosine", gate=10.0, deep_gate=3.0, espcn="orthogonal", loss=LOSS[scale], precision=precision,
    )  # fmt: skip


def _patches(recipe: Recipe, scale: int) -> tuple[Tensor, Tensor]:
    """Made-up photographs: smooth, with some noise; (steps, batch, 1, p, p) and ``scale`` times the side."""
    generator = torch.Generator().manual_seed(0)
    count, side = STEPS * recipe.batch, scale * recipe.patch
    high = F.interpolate(torch.rand(count, 1, 5, 5, generator=generator), (side, side), mode="bilinear")
    high = (0.9 * high + 0.1 * torch.rand(high.shape, generator=generator)).clamp(0, 1)
    low = F.avg_pool2d(high, scale)
    return low.view(STEPS, recipe.batch, *low.shape[1:]), high.view(STEPS, recipe.batch, *high.shape[1:])


def _trained(engine: Engine, configs: list[Config], recipe: Recipe, low: Tensor, high: Tensor) -> None:
    probe = low.flatten(0, 1)
    rates = [[recipe.lr * recipe.rate(step, config) for config in configs] for step in range(STEPS)]
    for index in range(len(configs)):
        engine.whiten(index, probe, fresh=True)
    if isinstance(engine, BlockEngine):
        # On a GPU the second block is replayed from the graph that was captured after the first.
        half = STEPS // 2
        engine.steps(0, low[:half], high[:half], rates[:half])
        engine.steps(half, low[half:], high[half:], rates[half:])
        return
    for step, row in enumerate(rates):
        engine.step(step, low[step], high[step], row)
