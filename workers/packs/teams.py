"""Which engine trains which members of a run: compiled where it can be, stacked where shapes allow, or one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from search_space.config import Config
from workers.packs.compiled import library
from workers.packs.engine import Engine
from workers.packs.kernels.available import why_no_kernels
from workers.packs.layout import net_of
from workers.packs.native_engine import NativeEngine
from workers.packs.plain_engine import PlainEngine
from workers.packs.plan import plan_packs
from workers.packs.proof import Alike, fault_of
from workers.packs.stack import structure_of
from workers.packs.stacked_engine import StackedEngine
from workers.training.recipe import Recipe

KERNEL_PRECISIONS = ("fp32",)
"""Of others Triton 3.9 compiles not all kernels for compute capability 9.0, and may end the process over it."""
SHARE = 0.5
"""Of the free memory, what a team may plan with."""


@dataclass(frozen=True)
class Part:
    """Members (their numbers in the run) for one engine, which ``make`` builds; ``engine`` is its name."""

    members: list[int]
    make: Callable[[], Engine]
    engine: str = ""


Make = Callable[[list[nn.Module], Recipe, int, torch.device], Engine]


@dataclass(frozen=True)
class Way:
    """A way of training: the modules it knows, under a recipe and at a scale, and how its engine is made."""

    name: str
    knows: Callable[[nn.Module, Recipe, int], bool]
    make: Make


def _native(modules: list[nn.Module], recipe: Recipe, scale: int, device: torch.device) -> Engine:
    return NativeEngine(modules, recipe, scale)


def _kernels(modules: list[nn.Module], recipe: Recipe, scale: int, device: torch.device) -> Engine:
    from workers.packs.kernels.engine import KernelEngine

    return KernelEngine(modules, recipe, scale, device)


def _known_to_kernels(module: nn.Module, recipe: Recipe, scale: int) -> bool:
    from workers.packs.kernels.engine import knows

    return knows(module, recipe, scale)


def _everything_alike(module: nn.Module, scale: int) -> Hashable:
    return None


NATIVE = Way("native", lambda module, recipe, scale: net_of(module, scale) is not None, _native)
KERNELS = Way("kernels", _known_to_kernels, _kernels)
STACKED = Way("stacked", lambda module, recipe, scale: structure_of(module, scale) is not None, StackedEngine)
PLAIN = Way("plain", lambda module, recipe, scale: True, PlainEngine)
ALIKE: dict[str, Alike] = {"kernels": _everything_alike, "stacked": structure_of, "plain": _everything_alike}
"""What modules of one engine have in common, by the name of the way."""


def ways(device: torch.device, recipe: Recipe, compiled: bool = True) -> list[Way]:
    """The ways of training on a device, the fastest first; the last takes any module.

    On a GPU a way must have shown on a tiny pack that it agrees with the CPU reference (``proof``); one that differs
    or raises is left out, by name, in the log. The last is used whatever it shows, and the log warns.
    """
    if device.type == "cpu":
        return [NATIVE, STACKED, PLAIN] if compiled and library() is not None else [STACKED, PLAIN]
    found: list[Way] = []
    if compiled and recipe.precision in KERNEL_PRECISIONS and not why_no_kernels(device):
        found.append(KERNELS)
    found.append(STACKED)
    trusted = [way for way in found if not fault_of(way.name, way.make, ALIKE[way.name], recipe.precision, device)]
    fault_of(PLAIN.name, PLAIN.make, ALIKE[PLAIN.name], recipe.precision, device, spare=False)
    return [*trusted, PLAIN]


def build(
    groups: Sequence[Sequence[int]],
    modules: Sequence[nn.Module],
    configs: Sequence[Config],
    recipe: Recipe,
    device: torch.device,
    compiled: bool = True,
) -> list[Part]:
    """Parts for each group; groups are never joined, so that one split for lack of memory stays split."""
    chain = ways(device, recipe, compiled)
    return [part for group in groups for part in _build(group, modules, configs, recipe, device, chain)]


def build_by(
    way: Way, modules: Sequence[nn.Module], configs: Sequence[Config], recipe: Recipe, device: torch.device
) -> list[Part]:
    """Parts of one way, whatever others there are; of modules it does not know, plain ones."""
    return _build(range(len(modules)), modules, configs, recipe, device, [way, PLAIN] if way is not PLAIN else [way])


def _build(
    group: Sequence[int],
    modules: Sequence[nn.Module],
    configs: Sequence[Config],
    recipe: Recipe,
    device: torch.device,
    chain: Sequence[Way],
) -> list[Part]:
    scale = configs[group[0]].scale
    taken: dict[str, list[int]] = defaultdict(list)
    for i in group:
        taken[next(way.name for way in chain if way.knows(modules[i], recipe, scale))].append(i)
    parts: list[Part] = []
    for way in chain:
        members = taken[way.name]
        if way is PLAIN:
            packs = [[i] for i in members]
        elif way is KERNELS:
            packs = [members] if members else []
        else:
            packs = _planned(members, configs, recipe, device, way is NATIVE)
        parts += [
            Part(pack, _maker(way, [modules[i] for i in pack], recipe, scale, device), way.name) for pack in packs
        ]
    return parts


def _maker(
    way: Way, modules: list[nn.Module], recipe: Recipe, scale: int, device: torch.device
) -> Callable[[], Engine]:
    return lambda: way.make(modules, recipe, scale, device)


def _planned(
    indices: list[int], configs: Sequence[Config], recipe: Recipe, device: torch.device, compiled: bool
) -> list[list[int]]:
    """``plan_packs`` in member numbers; equal configs (other tags) are kept apart by order."""
    left: dict[Config, list[int]] = defaultdict(list)
    for i in indices:
        left[configs[i]].append(i)
    budget = int(SHARE * free_memory(device))
    planned = plan_packs(
        [configs[i] for i in indices], budget, len(indices), recipe, compiled=compiled, on_gpu=device.type != "cpu"
    )
    return [[left[config].pop(0) for config in pack] for pack in planned]


def free_memory(device: torch.device) -> int:
    """Bytes free on a device now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil  # a GPU does without

    return int(psutil.virtual_memory().available)
