"""Which rows of work each launch of a deep step has: arena, launches and their tables, as whole numbers. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from workers.packs.kernels.nets import ENLARGE, TEMPLATES, DeepNet, Head, Hidden

HALO = 2
FIELDS = 12
"""int64 numbers a row."""
Row = tuple[int, ...]
Constants = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Sizes:
    """Tiles of the deep kernels: pixels and inputs at once, columns of a head, parts of a weight gradient's pixels."""

    pixels: int = 128
    inputs: int = 32
    gradient_pixels: int = 64
    gradient_inputs: int = 64
    columns: int = 32
    parts: int = 4
    flat: int = 1024
    filters: int = 64


SIZES = Sizes()


@dataclass(frozen=True)
class Launch:
    """One launch: the kernel's name, its compile-time constants beyond the sizes, its rows, programs a row."""

    kernel: str
    constants: Constants
    rows: tuple[Row, ...]
    programs: int


@dataclass
class Deep:
    """The launches of a step in order, and how much room they need."""

    launches: list[Launch] = field(default_factory=list)
    arena: int = 0
    partials: int = 0
    loss_rows: list[int] = field(default_factory=list)
    """The member of each row of losses; a row has a number for each pixel tile."""
    tiles: int = 1


def output_tiles(outputs: int) -> Iterable[tuple[int, int]]:
    """(first, COUT) of tiles that hold so many channels: 32 wide, the last 16 where that is enough."""
    first = 0
    while first < outputs:
        size = 32 if outputs - first > 16 else 16
        yield first, size
        first += size


def head_groups(head: Head, scale: int, columns: int) -> tuple[int, int, list[int]]:
    """(CP, N, first sub-pixel of each group of columns)."""
    padded = max(4, 1 << (head.templates - 1).bit_length())
    if head.kind != TEMPLATES:
        return 1, 16, [0]
    return padded, columns, list(range(0, scale**2, columns // padded))


def plan_deep(
    nets: Sequence[DeepNet], starts: Sequence[int], scale: int, batch: int, side: int, sizes: Sizes = SIZES
) -> Deep:
    """``starts``: where each net's parameters begin in the flat weights. Forward, heads, and back to the gradients."""
    out = Deep(tiles=-(-batch * side**2 // sizes.pixels))
    plane = batch * (side + 2 * HALO) ** 2
    out.arena = plane  # the patches
    places: list[list[int]] = []  # what each layer leaves, the patches first
    gradients: list[list[int]] = []  # at each layer's sum, the head's last
    for net in nets:
        places.append([0])
        gradients.append([])
        for layer in net.hidden:
            places[-1].append(out.arena)
            gradients[-1].append(out.arena + layer.outputs * plane)
            out.arena += 2 * layer.outputs * plane
        gradients[-1].append(out.arena)
        out.arena += net.head.channels * plane
    for depth in range(max(len(net.hidden) for net in nets)):
        _add(out, "conv_forward", out.tiles, _forward(nets, starts, places, depth))
    _add(out, "conv_head", out.tiles, _heads(out, nets, starts, places, gradients, scale, sizes.columns))
    for back in range(max(len(net.hidden) for net in nets)):
        _add(out, "conv_backward", out.tiles, _backward(out, nets, starts, places, gradients, scale, back))
    _add(out, "conv_weight_gradient", sizes.parts, _weights(nets, starts, places, gradients, scale, sizes))
    return out


Found = Iterable[tuple[Constants, int, Row]]
"""(constants of the launch, cost to sort by, row)."""


def _add(out: Deep, kernel: str, programs: int, found: Found) -> None:
    """One launch for all rows of the same constants, the costliest first."""
    groups: dict[Constants, list[tuple[int, Row]]] = defaultdict(list)
    for constants, cost, row in found:
        groups[constants].append((cost, (*row, *[0] * (FIELDS - len(row)))))
    for constants, rows in sorted(groups.items(), key=lambda item: item[0]):
        ordered = tuple(row for _, row in sorted(rows, key=lambda one: -one[0]))
        out.launches.append(Launch(kernel, constants, ordered, programs))


def _absolute(start: int, place: int) -> int:
    return -1 if place < 0 else start + place


def _slope_before(net: DeepNet, start: int, index: int) -> int:
    """Of what layer ``index`` reads."""
    return _absolute(start, net.hidden[index - 1].slope) if index else -1


def _forward(nets: Sequence[DeepNet], starts: Sequence[int], places: list[list[int]], depth: int) -> Found:
    for net, start, place in zip(nets, starts, places, strict=True):
        if depth >= len(net.hidden):
            continue
        layer = net.hidden[depth]
        for first, size in output_tiles(layer.outputs):
            row = (
                place[depth], place[depth + 1], start + layer.weight, start + layer.bias, layer.inputs, layer.outputs,
                first, int(layer.slope < 0), _slope_before(net, start, depth),
            )  # fmt: skip
            yield (("COUT", size), ("KS", layer.side)), layer.inputs, row


def _heads(
    out: Deep, nets: Sequence[DeepNet], starts: Sequence[int], places: list[list[int]], gradients: list[list[int]],
    scale: int, columns: int,
) -> Found:  # fmt: skip
    for member, (net, start, place, gradient) in enumerate(zip(nets, starts, places, gradients, strict=True)):
        head = net.head
        padded, width, firsts = head_groups(head, scale, columns)
        for first in firsts:
            row = (
                place[-1], gradient[-1], start + head.weight, _absolute(start, head.bias), head.inputs, head.templates,
                first, len(out.loss_rows) * out.tiles, _slope_before(net, start, len(net.hidden)), int(head.tied),
            )  # fmt: skip
            out.loss_rows.append(member)
            enlarging = scale if head.kind == ENLARGE else 0
            constants = (
                ("CP", padded), ("HEAD", head.kind), ("KS", head.side), ("N", width), ("SCALE", enlarging)
            )  # fmt: skip
            yield constants, head.inputs, row


def _backward(
    out: Deep, nets: Sequence[DeepNet], starts: Sequence[int], places: list[list[int]], gradients: list[list[int]],
    scale: int, back: int,
) -> Found:  # fmt: skip
    """Through layer number ``back`` from the end, to the sum of the one before."""
    for net, start, place, gradient in zip(nets, starts, places, gradients, strict=True):
        index = len(net.hidden) - back  # of the layer passed through; the head has the highest
        if index < 1:
            continue
        through: Hidden | Head = net.head if back == 0 else net.hidden[index]
        before = net.hidden[index - 1]
        channels = through.channels if isinstance(through, Head) else through.outputs
        enlarging = scale if isinstance(through, Head) and through.kind == ENLARGE else 0
        for first, size in output_tiles(before.outputs):
            partial = out.partials if before.slope >= 0 else -1
            out.partials += out.tiles if before.slope >= 0 else 0
            row = (
                gradient[index], gradient[index - 1], start + through.weight, -1, channels, before.outputs, first,
                int(before.slope < 0), _absolute(start, before.slope), place[index], partial,
            )  # fmt: skip
            yield (("COUT", size), ("KS", through.side), ("SCALE", enlarging)), channels, row


def _weights(
    nets: Sequence[DeepNet], starts: Sequence[int], places: list[list[int]], gradients: list[list[int]], scale: int,
    sizes: Sizes,
) -> Found:  # fmt: skip
    for net, start, place, gradient in zip(nets, starts, places, gradients, strict=True):
        layers: tuple[Hidden | Head, ...] = (*net.hidden, net.head)
        for index, layer in enumerate(layers):
            is_head = isinstance(layer, Head)
            channels = layer.channels if isinstance(layer, Head) else layer.outputs
            tied = isinstance(layer, Head) and layer.tied
            enlarging = scale if isinstance(layer, Head) and layer.kind == ENLARGE else 0
            inputs = layer.inputs * layer.side**2
            for first, size in output_tiles(channels):
                for at in range(0, inputs, sizes.gradient_inputs):
                    bias = _absolute(start, layer.bias) if at == 0 else -1
                    slope = _slope_before(net, start, len(net.hidden) if is_head else index)
                    row = (
                        place[index], gradient[index], start + layer.weight, bias, layer.inputs, channels, first, at,
                        slope, int(tied),
                    )  # fmt: skip
                    yield (("COUT", size), ("KS", layer.side), ("SCALE", enlarging)), channels, row


def slope_rows(launches: Sequence[Launch], tiles: int) -> list[Row]:
    """Rows of ``fold_slopes``: all partial sums of one slope lie together or follow in several pieces."""
    pieces: dict[int, list[int]] = defaultdict(list)
    for launch in launches:
        if launch.kernel == "conv_backward":
            for row in launch.rows:
                if row[10] >= 0 and row[8] >= 0:
                    pieces[row[8]].append(row[10])
    out: list[Row] = []
    for parameter, starts in pieces.items():
        starts.sort()
        if starts != [starts[0] + i * tiles for i in range(len(starts))]:
            raise AssertionError("the partial sums of a slope do not lie together")
        out.append((starts[0], len(starts) * tiles, parameter, *[0] * (FIELDS - 3)))
    return out
