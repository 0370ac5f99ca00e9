"""Inverse second moments of layer inputs on the device, many nets at once: what orthogonal steps need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from workers.packs.kernels.nets import DeepNet
from workers.training.whitening import FLOOR, Layer, second_moments

STEP = 64
"""Matrices are padded to multiples of it, so that few sizes are inverted, many matrices of each at once."""


def input_moments(net: DeepNet, weights: Tensor, low: Tensor, layers: Sequence[Layer]) -> list[Tensor]:
    """Second moments (inputs, inputs), float64, of what each of a tanh net's ``layers`` reads, a bias's 1 at the end.

    ``weights``: the net's flat parameters; ``low`` (N, 1, p, p).
    """
    out: list[Tensor] = []
    x = low
    for hidden in net.hidden:
        out.append(second_moments(x, hidden.side)[0])
        taps = weights[hidden.weight : hidden.weight + hidden.outputs * hidden.inputs * hidden.side**2]
        bias = weights[hidden.bias : hidden.bias + hidden.outputs]
        shaped = taps.view(hidden.outputs, hidden.inputs, hidden.side, hidden.side)
        x = torch.tanh(F.conv2d(x, shaped, bias, padding=hidden.side // 2))
    # Values and keys of one convolution are layers of their own, with the same inputs.
    last = second_moments(x, net.head.side)[0]
    out += [last] * (len(layers) - len(out))
    return [one[: layer.inputs, : layer.inputs] for one, layer in zip(out, layers, strict=True)]


def inverses_of(moments: Sequence[Tensor]) -> list[Tensor]:
    """``whitening.inverses`` of the moments (n, n): float32, on their device. No value is looked at by the host."""
    groups: dict[int, list[int]] = defaultdict(list)
    for index, one in enumerate(moments):
        groups[-(-len(one) // STEP) * STEP].append(index)
    out: dict[int, Tensor] = {}
    for size, indices in groups.items():
        # Beside the matrix a unit matrix: its inverse is itself, and both stay apart.
        room = torch.eye(size, dtype=torch.float64, device=moments[0].device).repeat(len(indices), 1, 1)
        for place, index in enumerate(indices):
            one = moments[index]
            n = len(one)
            room[place, :n, :n] = one + FLOOR * one.norm() * torch.eye(n, dtype=one.dtype, device=one.device)
        factor = torch.linalg.cholesky_ex(room, check_errors=False).L
        unit = torch.eye(size, dtype=torch.float64, device=room.device).expand_as(room)
        half = torch.linalg.solve_triangular(factor, unit, upper=False)
        inverse = (half.mT @ half).float()
        for place, index in enumerate(indices):
            n = len(moments[index])
            out[index] = inverse[place, :n, :n]
    return [out[index] for index in range(len(moments))]
