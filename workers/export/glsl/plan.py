"""A network as a shader sees it: convolutions in a row, then a head that makes s*s sub-pixels of a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from search_space.architectures.abpn import AnchorPlainNet
from search_space.architectures.bicubic import BicubicShuffle, BicubicTransposed
from search_space.architectures.bilinear_espcn import BilinearResidualCNN
from search_space.architectures.ecbsr import FusedEdgeBlockNet
from search_space.architectures.espcn import SubPixelCNN
from search_space.architectures.fsrcnn import FastSRCNN
from search_space.architectures.linear import LinearFilter
from search_space.errors import BadData, BadWeights
from workers.export.deployed_form import LowResolutionHead

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Activation:
    """What follows a convolution: nothing, ``tanh``, ``relu``, ``sigmoid`` or ``prelu`` with a slope per channel."""

    name: str = ""
    slopes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Layer:
    """A convolution of stride 1 that keeps the size, zeros outside the image."""

    weight: Array
    """(out, in, k, k), k odd."""
    bias: Array
    """(out)."""
    activation: Activation = Activation()

    @property
    def kernel(self) -> int:
        """Side in pixels."""
        return int(self.weight.shape[-1])

    @property
    def inputs(self) -> int:
        """Channels in."""
        return int(self.weight.shape[1])

    @property
    def outputs(self) -> int:
        """Channels out."""
        return int(self.weight.shape[0])


@dataclass(frozen=True)
class Head:
    """How the last convolution's channels, (maps * templates, s*s) of them, become s*s sub-pixels.

    ``kind`` is that of ``LowResolutionHead``: ``first`` takes them as they are, ``max``, ``tm``, ``tr`` and ``cnn`` are
    the edge-SR heads, ``sigmoid`` is eSR-TM's with two templates.
    """

    kind: str = "first"
    templates: int = 1
    after: Activation = Activation()
    """On the finished sub-pixels."""
    beside: Array | None = None
    """Filters (s*s, 1, k, k) of the input, added to the sub-pixels."""

    @property
    def maps(self) -> int:
        """Values per template and sub-pixel that the last convolution makes."""
        return {"first": 1, "max": 1, "tm": 2, "cnn": 2, "tr": 3, "sigmoid": 3}[self.kind]


@dataclass(frozen=True)
class Plan:
    """All a shader needs; the last of ``layers`` feeds the head."""

    scale: int
    layers: tuple[Layer, ...]
    head: Head
    fine: bool = False
    """Whether values between passes are stored as the sum of two halves: half precision would spoil the network."""

    @property
    def one_layer(self) -> bool:
        """Whether nothing lies between the input and the head."""
        return len(self.layers) == 1


def plan_of(module: nn.Module, scale: int) -> Plan:
    """The plan of a deployed network. Raises BadData for one that no shader form is known of."""
    if isinstance(module, LowResolutionHead):
        layers, _ = _row(module.filter)
        plan = Plan(scale, layers, Head(module.kind, module.templates))
    elif isinstance(module, AnchorPlainNet | FusedEdgeBlockNet):
        layers, _ = _row(module.net)
        plan = Plan(scale, layers, Head(beside=np.ones((scale**2, 1, 1, 1), dtype=np.float32)))
    elif isinstance(module, BilinearResidualCNN):
        layers, _ = _row(module.net)
        plan = Plan(scale, layers, Head(beside=_array(module.bilinear)))
    elif isinstance(module, LinearFilter):
        plan = Plan(scale, _row(nn.Sequential(module.filter))[0], Head())
    elif isinstance(module, BicubicShuffle):
        plan = Plan(scale, (Layer(_array(module.weight), np.zeros(scale**2, dtype=np.float32)),), Head())
    elif isinstance(module, SubPixelCNN | FastSRCNN | BicubicTransposed):
        layers, after = _row(nn.Sequential(module.net))
        plan = Plan(scale, layers, Head(after=after))
    elif isinstance(module, nn.Sequential):
        layers, after = _row(module)
        plan = Plan(scale, layers, Head(after=after))
    else:
        raise BadData(f"a {type(module).__name__} has no shader form: write one in workers/export/glsl/plan.py")
    return _checked(plan)


def _checked(plan: Plan) -> Plan:
    if not plan.layers or plan.layers[-1].outputs != plan.head.maps * plan.head.templates * plan.scale**2:
        raise BadData(f"the network does not end in {plan.scale**2} sub-pixels per pixel: it has no shader form")
    inputs = [1, *(layer.outputs for layer in plan.layers)]
    if [layer.inputs for layer in plan.layers] != inputs[:-1]:
        raise BadData("the network's layers are not one row from luma to luma: it has no shader form")
    for value in chain.from_iterable((layer.weight, layer.bias) for layer in plan.layers):
        if not np.isfinite(value).all():
            raise BadWeights("the network has weights that are not finite: a shader cannot hold them")
    return plan


def _row(layers: nn.Module) -> tuple[tuple[Layer, ...], Activation]:
    """Convolutions with their activations, and what follows the pixel shuffle."""
    out: list[Layer] = []
    after, shuffled = Activation(), False
    for module in _flat(layers):
        if isinstance(module, nn.Conv2d) and not shuffled:
            out.append(_layer(module))
        elif isinstance(module, nn.PixelShuffle) and not shuffled:
            shuffled = True
        elif shuffled:
            after = _activation(module, 1)
        elif out:
            last = out.pop()
            out.append(Layer(last.weight, last.bias, _activation(module, last.outputs)))
        else:
            raise BadData(f"{type(module).__name__} has no shader form")
    return tuple(out), after


def _flat(module: nn.Module) -> list[nn.Module]:
    if isinstance(module, nn.Sequential):
        return list(chain.from_iterable(_flat(child) for child in module))
    return [module]


def _layer(conv: nn.Conv2d) -> Layer:
    side = conv.kernel_size[0]
    plain = conv.stride == conv.dilation == (1, 1) and conv.groups == 1 and conv.padding_mode == "zeros"
    if not plain or conv.kernel_size != (side, side) or side % 2 == 0 or conv.padding != (side // 2, side // 2):
        raise BadData(f"{conv} has no shader form (odd square filters of stride 1 that keep the size have)")
    bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias
    return Layer(_array(conv.weight), _array(bias))


def _activation(module: nn.Module, channels: int) -> Activation:
    if isinstance(module, nn.PReLU):
        slopes = _array(module.weight)
        return Activation("prelu", tuple(float(v) for v in np.broadcast_to(slopes, (channels,))))
    names: dict[type[nn.Module], str] = {nn.Tanh: "tanh", nn.ReLU: "relu", nn.Sigmoid: "sigmoid"}
    if type(module) not in names:
        raise BadData(f"{type(module).__name__} has no shader form (tanh, sigmoid, ReLU and PReLU have)")
    return Activation(names[type(module)])


def _array(value: torch.Tensor) -> Array:
    out: Array = value.detach().cpu().float().numpy()
    return out
