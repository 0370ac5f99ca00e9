"""Bicubic upscaling as a network, in two forms that give the same image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def cubic(distance: Tensor, a: float = -0.5) -> Tensor:
    """Keys' cubic convolution kernel (IEEE TASSP 1981) at distances in LR pixels."""
    d = distance.abs()
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * (d**3 - 5 * d**2 + 8 * d - 4)
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


class BicubicTransposed(nn.Module):
    """Zero insertion and a (4s+3)-tap filter, as one strided transposed convolution.

    The released reference weights have the same shape, so they load here too. Border pixels see zeros
    outside the image; the evaluation protocol shaves them.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        side = 4 * scale + 3
        padding = (side - scale + 1) // 2
        self.net = nn.ConvTranspose2d(
            1, 1, side, stride=scale, padding=padding, output_padding=scale + 2 * padding - side, bias=False
        )
        taps = (torch.arange(side, dtype=torch.float64) - padding + 0.5) / scale - 0.5
        row = cubic(taps)
        self.net.weight = nn.Parameter(torch.outer(row, row).float()[None, None], requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class BicubicShuffle(nn.Module):
    """The efficient form: s*s filters of 5 x 5 taps on the LR grid, then pixel shuffle."""

    weight: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        phase = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
        taps = torch.arange(-2, 3, dtype=torch.float64)
        rows = cubic(phase[:, None] - taps[None, :])
        weight = torch.einsum("iy,jx->ijyx", rows, rows).reshape(scale * scale, 1, 5, 5)
        self.register_buffer("weight", weight.float())

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(F.conv2d(x, self.weight, padding=2), self.scale)
