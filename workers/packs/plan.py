"""Which configs form a pack: by scale, structure, shape and memory. Pure functions, no torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from search_space.config import Config
from workers.training.recipe import Recipe, recipe_for

ONE_LAYER = ("eSR-MAX", "eSR-TM", "eSR-TR")
WASTE = 1.6
"""Padded arithmetic over real arithmetic that a stack may cost."""
GPU_WASTE = 4.0
"""The same on a GPU, where launches cost more than arithmetic: 27 stacks for the paper's space, 3.05 times padded."""
_MIB = 2**20
_PAPER = recipe_for("paper")


def macs(config: Config) -> int:
    """Multiply-adds of a forward pass per low-resolution pixel; 1 for a family without layer sizes."""
    return max(1, sum(c.kernel**2 * c.c_in * c.c_out for c in config.convs() or ()))


def member_bytes(config: Config, recipe: Recipe, compiled: bool = True) -> int:
    """Approximate memory of one more member of a pack.

    Compiled: weights, two moments and the gradients of four chunks. In torch operations: also about seven copies
    of every activation of a batch.
    """
    convs = config.convs() or ()
    weights = sum(c.kernel**2 * c.c_in * c.c_out + c.c_out + c.extra for c in convs)
    if compiled:
        return 4 * 7 * weights + 4096
    maps = sum(c.c_out * (c.transposed_stride or 1) ** 2 for c in convs) + config.scale**2
    return 4 * (6 * weights + 7 * maps * recipe.batch * recipe.patch**2)


def pack_bytes(recipe: Recipe, scale: int) -> int:
    """Memory that a pack takes independent of its members: patches, their targets and unfolded form, scratch."""
    pixels = recipe.batch * recipe.patch**2
    return 4 * pixels * (49 + 4 * scale**2) + 32 * _MIB


def structure(config: Config) -> str:
    """What the members of a stack must have in common; the one-layer families differ only in sizes."""
    if config.family in ONE_LAYER:
        return "one-layer"
    return "/".join([config.family, "shallow" if config.values.get("D") == 0 else "", str(config.values.get("M", ""))])


def plan_packs(
    configs: Sequence[Config],
    budget: int,
    max_members: int,
    recipe: Recipe = _PAPER,
    *,
    compiled: bool = True,
    on_gpu: bool = False,
) -> list[list[Config]]:
    """Packs of one scale, the costliest first and inside each the costliest first (for a GPU: like shapes together).

    ``budget``: bytes a pack may take; a config that is over it by itself still gets a pack of its own (which
    may then fail for lack of memory, alone). The compiled step takes all structures together; otherwise a
    pack has one structure, and padding every member to the largest costs at most ``WASTE`` times the real work
    (``GPU_WASTE`` on a GPU).
    """
    groups: dict[tuple[int, str], list[Config]] = defaultdict(list)
    for config in configs:
        kind = "" if compiled else config.family if config.family in ONE_LAYER else structure(config)
        groups[config.scale, kind].append(config)
    packs: list[list[Config]] = []
    for (scale, _), group in groups.items():
        room = budget - pack_bytes(recipe, scale)
        pack: list[Config] = []
        taken = largest = 0
        stacked, waste = not compiled, GPU_WASTE if on_gpu else WASTE
        for config in sorted(group, key=_shape if on_gpu and stacked else lambda c: (-macs(c), c.id)):
            size = member_bytes(config, recipe, compiled)
            # In a stack every member takes what the largest takes.
            after = max(largest, size) * (len(pack) + 1) if stacked else taken + size
            wide = stacked and bool(pack) and _waste([*pack, config]) > waste
            if pack and (len(pack) == max_members or after > room or wide):
                packs.append(pack)
                pack, taken, largest = [], 0, 0
            pack.append(config)
            taken, largest = taken + size, max(largest, size)
        packs.append(pack)
    return sorted(packs, key=lambda pack: -sum(map(macs, pack)))


def _shape(config: Config) -> tuple[object, ...]:
    """Sorts by filters and channels, layer by layer, the largest first."""
    return tuple((-c.kernel, -c.c_out) for c in config.convs() or ()), config.id


def _waste(pack: Sequence[Config]) -> float:
    """Padded over real multiply-adds, layer by layer."""
    layers = [config.convs() or () for config in pack]
    if len({len(convs) for convs in layers}) != 1 or not layers[0]:
        return 1.0
    padded = sum(
        max(c.kernel for c in same) ** 2 * max(c.c_in for c in same) * max(c.c_out for c in same)
        for same in zip(*layers, strict=True)
    )
    return float(len(pack) * padded / sum(map(macs, pack)))
