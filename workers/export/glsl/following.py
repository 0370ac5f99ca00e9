"""A plan followed in torch, pass by pass, with what a player stores between passes in half precision."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from workers.export.glsl.plan import Activation, Array, Plan


def follow(plan: Plan, x: Tensor) -> Tensor:
    """(N, 1, H, W) to (N, 1, sH, sW), clamped to [0, 1] as a plane of a picture is."""
    value = x
    for i, layer in enumerate(plan.layers[:-1]):
        value = _activated(_convolved(value, layer.weight, layer.bias), layer.activation)
        # A 1 x 1 convolution joins the pass before it: what lies between is not stored.
        if i + 2 == len(plan.layers) or plan.layers[i + 1].kernel != 1:
            value = _stored(value, fine=plan.fine)
    last = plan.layers[-1]
    out = _head(plan, _convolved(value, last.weight, last.bias))
    if plan.head.beside is not None:
        out = out + _convolved(x, plan.head.beside, None)
    out = _activated(out, plan.head.after)
    return F.pixel_shuffle(out, plan.scale).half().float().clamp(0, 1)


def _stored(x: Tensor, *, fine: bool) -> Tensor:
    near = x.half().float()
    return near + (x - near).half().float() if fine else near


def _convolved(x: Tensor, weight: Array, bias: Array | None) -> Tensor:
    offset = None if bias is None else torch.from_numpy(bias)
    return F.conv2d(x, torch.from_numpy(weight.copy()), offset, padding=weight.shape[-1] // 2)


def _activated(x: Tensor, activation: Activation) -> Tensor:
    if activation.name == "prelu":
        return F.prelu(x, torch.tensor(activation.slopes))
    functions = {"": lambda v: v, "tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}
    out: Tensor = functions[activation.name](x)
    return out


def _head(plan: Plan, x: Tensor) -> Tensor:
    from workers.export.deployed_form import LowResolutionHead

    if plan.head.kind == "first":
        return x
    return LowResolutionHead([], plan.head.kind, plan.head.templates, plan.scale).combine(x)
