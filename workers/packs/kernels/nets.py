"""A deep network as the kernels read it: convolutions, where their numbers lie, and what follows the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from search_space.architectures.espcn import SubPixelCNN
from search_space.architectures.esr_cnn import EdgeSRCNN
from search_space.architectures.fsrcnn import SIDE, FastSRCNN
from workers.training.whitening import convs

SIGMOID, ENLARGE, TEMPLATES = range(3)
"""Heads, as ``head_kernel`` numbers them: ESPCN, FSRCNN, eSR-CNN."""
SIDES = (1, 3, 5)
MOST_TEMPLATES = 16


@dataclass(frozen=True)
class Hidden:
    """A convolution with tanh, or PReLU of the slope at ``slope`` (-1: tanh). Places are in the flat weights."""

    inputs: int
    outputs: int
    side: int
    weight: int
    bias: int
    slope: int


@dataclass(frozen=True)
class Head:
    """The last layer, as a convolution of ``side`` to ``channels`` planes; ``bias`` -1: none; ``tied``: one for all."""

    kind: int
    inputs: int
    side: int
    channels: int
    templates: int
    weight: int
    bias: int
    tied: bool


@dataclass(frozen=True)
class DeepNet:
    """``parameters``: how many, in the module's order."""

    hidden: tuple[Hidden, ...]
    head: Head
    parameters: int


def deep_net_of(module: nn.Module, scale: int) -> DeepNet | None:
    """How the kernels compute a module, or None for one they do not know."""
    at: dict[Tensor, int] = {}
    total = 0
    for parameter in module.parameters():
        at[parameter] = total
        total += parameter.numel()
    if type(module) is SubPixelCNN:
        *hidden, last = convs(module.net)
        head = Head(SIGMOID, last.in_channels, 3, scale**2, 1, at[last.weight], _bias(last, at), False)
        slopes: Sequence[nn.Parameter | None] = [None] * len(hidden)
    elif type(module) is EdgeSRCNN:
        *hidden, last = convs(module.filter)
        head = Head(TEMPLATES, last.in_channels, 3, last.out_channels, module.templates, at[last.weight], -1, False)
        slopes = [None] * len(hidden)
    elif type(module) is FastSRCNN and 2 <= scale <= 4:
        hidden, enlarge = convs(module.net), module.net[-1]
        assert isinstance(enlarge, nn.ConvTranspose2d)
        bias = at[enlarge.bias] if enlarge.bias is not None else -1
        side = enlarging_side(scale)
        head = Head(ENLARGE, enlarge.in_channels, side, scale**2, 1, at[enlarge.weight], bias, True)
        slopes = [layer.weight for layer in module.net if isinstance(layer, nn.PReLU)]
    else:
        return None
    if any(conv.kernel_size[0] not in SIDES or conv.bias is None for conv in hidden):
        return None
    if head.templates > MOST_TEMPLATES or not hidden:
        return None
    return DeepNet(
        tuple(
            Hidden(
                conv.in_channels,
                conv.out_channels,
                conv.kernel_size[0],
                at[conv.weight],
                _bias(conv, at),
                -1 if slope is None else at[slope],
            )
            for conv, slope in zip(hidden, slopes, strict=True)
        ),
        head,
        total,
    )


def enlarging_side(scale: int) -> int:
    """Side of the convolution to sub-pixels that equals FSRCNN's transposed one: 5 at x2, 3 at x3 and x4."""
    pad = -(-(SIDE - scale) // 2)
    reach = max(abs(d) for a in range(scale) for d in range(-SIDE, SIDE + 1) if 0 <= a + pad - scale * d < SIDE)
    return 2 * reach + 1


def _bias(conv: nn.Conv2d, at: dict[Tensor, int]) -> int:
    return -1 if conv.bias is None else at[conv.bias]
