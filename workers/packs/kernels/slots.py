"""How one-layer nets are laid out for the kernel: groups of slots of one kind, filter size and width. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from search_space.architectures.edge_sr import EdgeSRMax, EdgeSRTM, EdgeSRTR
from search_space.architectures.linear import LinearFilter

MOST_TEMPLATES = 16
LARGEST_SIDE = 7
_KINDS: dict[type[nn.Module], int] = {LinearFilter: 0, EdgeSRMax: 0, EdgeSRTM: 1, EdgeSRTR: 2}


@dataclass(frozen=True)
class OneLayer:
    """A one-layer net. ``kind`` 0: maximum (Linear is one of a single template), 1: keys, 2: queries and keys."""

    kind: int
    side: int
    templates: int

    @property
    def maps(self) -> int:
        """Banks of templates: values, queries, keys."""
        return self.kind + 1


@dataclass(frozen=True)
class Group:
    """Slots that one launch trains: ``slots`` (member, sub-pixel), padded with (-1, 0) to fill the last program."""

    kind: int
    side: int
    padded: int
    columns: int
    slots: tuple[tuple[int, int], ...]

    @property
    def taps(self) -> int:
        """Taps of a filter, padded."""
        return padded_taps(self.side)


def one_layer_of(module: nn.Module) -> OneLayer | None:
    """What the kernel has to know of a module, or None for one it does not know."""
    kind = _KINDS.get(type(module))
    if kind is None:
        return None
    conv = module.filter
    assert isinstance(conv, nn.Conv2d)
    templates = int(getattr(module, "templates", 1))
    side = conv.kernel_size[0]
    known = templates <= MOST_TEMPLATES and side <= LARGEST_SIDE and side % 2 == 1
    return OneLayer(kind, side, templates) if known else None


def padded_taps(side: int) -> int:
    """side * side taps padded to what a product on tensor cores takes: 16, 32 or 64."""
    return max(16, 1 << (side * side - 1).bit_length())


def padded_templates(templates: int) -> int:
    """4 or 16: every size is a kernel to compile, and a fifth more columns cost less than twice the kernels."""
    return next(size for size in (4, 16) if size >= templates)


def columns_of(kind: int, side: int, padded: int) -> int:
    """Columns of a program: of large filters or more than one map fewer, or its sums would not stay in registers."""
    return max(padded, 16 if padded_taps(side) == 64 or kind > 0 else 32)


def plan_slots(nets: Sequence[OneLayer], scale: int) -> list[Group]:
    """Groups of one kind, filter size and padded number of templates, the costliest first."""
    members: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for member, net in enumerate(nets):
        members[net.kind, net.side, padded_templates(net.templates)].append(member)
    groups: list[Group] = []
    for (kind, side, padded), mine in members.items():
        columns = columns_of(kind, side, padded)
        slots = [(member, sub) for member in mine for sub in range(scale**2)]
        per_program = columns // padded
        slots += [(-1, 0)] * (-len(slots) % per_program)
        groups.append(Group(kind, side, padded, columns, tuple(slots)))
    return sorted(groups, key=lambda g: -(g.kind + 1) * g.taps * len(g.slots) * g.padded)
