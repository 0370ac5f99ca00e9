"""Which engine trains which members of a run: compiled where it can be, stacked where shapes allow, or one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil
import torch
from torch import nn

from search_space.config import Config
from workers.packs.compiled import library
from workers.packs.engine import Engine
from workers.packs.layout import net_of
from workers.packs.native_engine import NativeEngine
from workers.packs.plain_engine import PlainEngine
from workers.packs.plan import plan_packs
from workers.packs.stack import structure_of
from workers.packs.stacked_engine import StackedEngine
from workers.training.recipe import Recipe

SHARE = 0.5
"""Of the free memory, what a team may plan with."""


@dataclass(frozen=True)
class Part:
    """Members (their numbers in the run) for one engine, which ``make`` builds."""

    members: list[int]
    make: Callable[[], Engine]


def build(
    groups: Sequence[Sequence[int]],
    modules: Sequence[nn.Module],
    configs: Sequence[Config],
    recipe: Recipe,
    device: torch.device,
    compiled: bool = True,
) -> list[Part]:
    """Parts for each group; groups are never joined, so that one split for lack of memory stays split."""
    return [part for group in groups for part in _build(group, modules, configs, recipe, device, compiled)]


def _build(
    group: Sequence[int],
    modules: Sequence[nn.Module],
    configs: Sequence[Config],
    recipe: Recipe,
    device: torch.device,
    compiled: bool,
) -> list[Part]:
    scale = configs[group[0]].scale
    native = compiled and device.type == "cpu" and library() is not None
    kinds: dict[str, list[int]] = defaultdict(list)
    for i in group:
        if native and net_of(modules[i], scale) is not None:
            kinds["native"].append(i)
        else:
            kinds["plain" if structure_of(modules[i], scale) is None else "stacked"].append(i)
    parts: list[Part] = []
    for kind, indices in kinds.items():
        if kind == "plain":
            parts += [_part([i], lambda m: PlainEngine(m, recipe, scale, device), modules) for i in indices]
        elif kind == "native":
            parts += [
                _part(p, lambda m: NativeEngine(m, recipe, scale), modules)
                for p in _planned(indices, configs, recipe, device, True)
            ]
        else:
            parts += [
                _part(p, lambda m: StackedEngine(m, recipe, scale, device), modules)
                for p in _planned(indices, configs, recipe, device, False)
            ]
    return parts


def _part(indices: list[int], make: Callable[[list[nn.Module]], Engine], modules: Sequence[nn.Module]) -> Part:
    return Part(indices, lambda: make([modules[i] for i in indices]))


def _planned(
    indices: list[int], configs: Sequence[Config], recipe: Recipe, device: torch.device, compiled: bool
) -> list[list[int]]:
    """``plan_packs`` in member numbers; equal configs (other tags) are kept apart by order."""
    left: dict[Config, list[int]] = defaultdict(list)
    for i in indices:
        left[configs[i]].append(i)
    budget = int(SHARE * free_memory(device))
    planned = plan_packs([configs[i] for i in indices], budget, len(indices), recipe, compiled=compiled)
    return [[left[config].pop(0) for config in pack] for pack in planned]


def free_memory(device: torch.device) -> int:
    """Bytes free on a device now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
