"""A network as the compiled step reads it: layers, taps and sub-pixels as integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from search_space.architectures.edge_sr import EdgeSRMax, EdgeSRTM, EdgeSRTR, OneLayerNet
from search_space.architectures.espcn import SubPixelCNN
from search_space.architectures.esr_cnn import EdgeSRCNN
from search_space.architectures.fsrcnn import FastSRCNN
from search_space.architectures.linear import LinearFilter
from workers.training.recipe import LOSSES, Recipe
from workers.training.whitening import convs

COLUMNS = 48
"""Approximate number of last-layer columns computed together: their maps stay in a core's L2 cache."""
TILE = 600
"""Approximate number of pixels unfolded together for one-layer nets."""
MOST_BIASED = 64
"""Most columns of a last layer with bias that the compiled step supports."""
MOST_TEMPLATES = 256

_MAXIMUM, _KEY, _QUERY_KEY, _KEY_KEY, _SIGMOID, _PLAIN = range(6)
_TANH, _PRELU = 1, 2
_HEADS: dict[type[nn.Module], int] = {EdgeSRMax: _MAXIMUM, EdgeSRTM: _KEY, EdgeSRTR: _QUERY_KEY}


@dataclass(frozen=True)
class Net:
    """A network for the compiled step; ``numbers`` do not depend on its place in the pack's weights."""

    parameters: int
    numbers: tuple[int, ...]


def net_of(module: nn.Module, scale: int) -> Net | None:
    """A module as the compiled step reads it, or None for a kind that it does not support.

    Weights are numbered as ``module.parameters()`` gives them, flattened.
    """
    at: dict[Tensor, int] = {}
    total = 0
    for parameter in module.parameters():
        at[parameter] = total
        total += parameter.numel()
    if type(module) in _HEADS:
        assert isinstance(module, OneLayerNet)
        head, maps, templates = _HEADS[type(module)], module.maps, module.templates
        numbers = [head, templates, maps, 0, *_last(module.filter, at, scale, maps, templates)]
    elif type(module) is LinearFilter:
        numbers = [_PLAIN, 1, 1, 0, *_last(module.filter, at, scale, 1, 1)]
    elif type(module) is EdgeSRCNN:
        *hidden, last = convs(module.filter)
        numbers = [_KEY_KEY, module.templates, 2, *_hidden(hidden, [None] * len(hidden), at)]
        numbers += _last(last, at, scale, 2, module.templates)
    elif type(module) is SubPixelCNN:
        *hidden, last = convs(module.net)
        numbers = [_SIGMOID, 1, 1, *_hidden(hidden, [None] * len(hidden), at), *_last(last, at, scale, 1, 1)]
    elif type(module) is FastSRCNN:
        enlarge = module.net[-1]
        assert isinstance(enlarge, nn.ConvTranspose2d)
        slopes = [layer.weight for layer in module.net if isinstance(layer, nn.PReLU)]
        numbers = [_PLAIN, 1, 1, *_hidden(convs(module.net), slopes, at), *_enlarge(enlarge, at, scale)]
    else:
        return None
    return Net(total, tuple(numbers)) if numbers[1] <= MOST_TEMPLATES else None


def program(nets: list[Net], recipe: Recipe, scale: int, chunks: int) -> list[int]:
    """The integers that describe a pack; the members' weights lie one after another."""
    loss = LOSSES.index(recipe.loss)
    out = [recipe.patch, recipe.border, recipe.batch, scale, loss, chunks, len(nets), TILE]
    start = 0
    for net in nets:
        out += [start, net.parameters, *net.numbers]
        start += net.parameters
    return out


def _hidden(convs: list[nn.Conv2d], slopes: Sequence[nn.Parameter | None], at: dict[Tensor, int]) -> list[int]:
    out = [len(convs)]
    for conv, slope in zip(convs, slopes, strict=True):
        bias = at[conv.bias] if conv.bias is not None else -1
        kind, slope_at = (_TANH, -1) if slope is None else (_PRELU, at[slope])
        out += [conv.in_channels, conv.out_channels, conv.kernel_size[0], kind, at[conv.weight], bias, slope_at]
    return out


def _last(conv: nn.Conv2d, at: dict[Tensor, int], scale: int, maps: int, templates: int) -> list[int]:
    """Columns in the order of sub-pixels, so that the maps of a head are adjacent; in groups of sub-pixels."""
    kernel, area = conv.kernel_size[0], conv.kernel_size[0] ** 2
    positions, step = scale**2, conv.in_channels * area
    groups = -(-positions // max(1, COLUMNS // (maps * templates)))
    edges = [positions * i // groups for i in range(groups + 1)]
    out = [conv.in_channels, area, kernel // 2, kernel // 2, groups]
    for first, end in pairwise(edges):
        channels = [m * positions + j for j in range(first, end) for m in range(maps * templates)]
        bias = [at[conv.bias] + c if conv.bias is not None else -1 for c in channels]
        taps = [(t // kernel, t % kernel, t) for t in range(area)]
        out += _group([at[conv.weight] + c * step for c in channels], bias, list(range(first, end)), taps)
    return out


def _enlarge(conv: nn.ConvTranspose2d, at: dict[Tensor, int], scale: int) -> list[int]:
    """A transposed convolution as one small convolution per sub-pixel; sub-pixels with the same taps form a group.

    Output row ``s y + a`` sums weight row u of input row ``y + d`` for all u = a + padding - s d within the kernel.
    """
    side, pad = conv.kernel_size[0], conv.padding[0]
    assert isinstance(pad, int)
    reach = [[d for d in range(-side, side + 1) if 0 <= a + pad - scale * d < side] for a in range(scale)]
    low, high = -min(map(min, reach)), max(map(max, reach))
    groups: dict[tuple[tuple[int, ...], tuple[int, ...]], list[tuple[int, int]]] = {}
    for a in range(scale):
        for b in range(scale):
            groups.setdefault((tuple(reach[a]), tuple(reach[b])), []).append((a, b))
    out = [conv.in_channels, side**2, low, high, len(groups)]
    for (rows, columns), members in groups.items():
        weights = [at[conv.weight] + a * side + b for a, b in members]
        bias = [at[conv.bias] if conv.bias is not None else -1] * len(members)
        taps = [(dy + low, dx + low, (pad - scale * dy) * side + pad - scale * dx) for dy in rows for dx in columns]
        out += _group(weights, bias, [a * scale + b for a, b in members], taps)
    return out


def _group(weights: list[int], bias: list[int], positions: list[int], taps: list[tuple[int, int, int]]) -> list[int]:
    if bias[0] >= 0 and len(bias) > MOST_BIASED:
        raise ValueError(f"a last layer with bias has {len(bias)} columns at once")
    down, along, term = ([tap[i] for tap in taps] for i in range(3))
    return [len(weights), len(positions), len(taps), *weights, *bias, *positions, *down, *along, *term]
