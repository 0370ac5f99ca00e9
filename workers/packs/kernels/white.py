"""Inverse second moments of layer inputs on the device, many nets at once: what orthogonal steps need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from workers.packs.kernels.nets import DeepNet
from workers.training.whitening import FLOOR, second_moments

STEP = 64
"""Matrices are padded to multiples of it, so that few sizes are inverted, many matrices of each at once."""


def input_moments(net: DeepNet, weights: Tensor, low: Tensor, layers: int) -> list[Tensor]:
    """Second moments (n, n), float64, of what the first ``layers`` of a tanh net read, with a 1 at the end.

    ``weights``: flat, of those layers at least; ``low`` (N, 1, p, p).
    """
    out: list[Tensor] = []
    x = low
    for layer in net.hidden[:layers]:
        out.append(second_moments(x, layer.side)[0])
        if len(out) == layers:
            return out
        taps = weights[layer.weight : layer.weight + layer.outputs * layer.inputs * layer.side**2]
        bias = weights[layer.bias : layer.bias + layer.outputs]
        shaped = taps.view(layer.outputs, layer.inputs, layer.side, layer.side)
        x = torch.tanh(F.conv2d(x, shaped, bias, padding=layer.side // 2))
    return [*out, second_moments(x, net.head.side)[0]]


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
