"""The sums of a convolution, written out with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workers.export.glsl.plan import Array
from workers.export.glsl.words import SWIZZLE, TYPES, groups, vector


@dataclass(frozen=True)
class Target:
    """One vector that a convolution fills."""

    name: str
    weight: Array
    """(1 to 4, in, k, k)."""
    bias: Array
    """(1 to 4)."""

    @property
    def size(self) -> int:
        """Components."""
        return len(self.weight)


def over_luma(targets: Sequence[Target]) -> list[str]:
    """Targets from the luma taps that lie in ``x``."""
    lines = []
    for target in targets:
        lines.append(_start(target))
        flat = target.weight.reshape(target.size, -1)
        lines += [f"{target.name}+=x[{t}]*{vector(flat[:, t])};" for t in range(flat.shape[1]) if flat[:, t].any()]
    return lines


def over_planes(targets: Sequence[Target]) -> list[str]:
    """Targets from the planes that ``plane(pixel, number)`` reads around ``p``; each is read once for all of them."""
    lines = [_start(target) for target in targets]
    channels, side = targets[0].weight.shape[1:3]
    parts = groups(channels)
    for tap in range(side * side):
        y, x = divmod(tap, side)
        if not any(target.weight[:, :, y, x].any() for target in targets):
            continue
        for number, part in enumerate(parts):
            lines.append(f"v=plane(p+ivec2({x - side // 2},{y - side // 2}),{number});")
            lines += _products(targets, "v", part, y, x)
    return lines


def over_vectors(targets: Sequence[Target], names: Sequence[str]) -> list[str]:
    """Adds to targets, of a 1 x 1 convolution, what the vectors ``names`` give them; they must have been begun."""
    parts = groups(targets[0].weight.shape[1])
    lines = []
    for name, part in zip(names, parts, strict=True):
        lines += _products(targets, name, part, 0, 0, exact=True)
    return lines


def started(targets: Sequence[Target]) -> list[str]:
    """Each target declared, with its bias."""
    return [_start(target) for target in targets]


def _start(target: Target) -> str:
    return f"{TYPES[target.size]} {target.name}={vector(target.bias)};"


def _products(targets: Sequence[Target], name: str, part: slice, y: int, x: int, *, exact: bool = False) -> list[str]:
    """``exact``: the vector has as many components as the part, so a single one is a float."""
    size = part.stop - part.start
    lines = []
    for target in targets:
        block = target.weight[:, part, y, x]
        if size == 4 and target.size == 4:
            columns = ",".join(vector(block[:, i]) for i in range(4))
            lines.append(f"{target.name}+=mat4({columns})*{name};")
            continue
        terms = [
            f"{name}{'' if exact and size == 1 else f'.{SWIZZLE[i]}'}*{vector(block[:, i])}"
            for i in range(size)
            if block[:, i].any()
        ]
        if terms:
            lines.append(f"{target.name}+={'+'.join(terms)};")
    return lines
