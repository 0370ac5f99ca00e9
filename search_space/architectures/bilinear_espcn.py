"""ESPCN's layers learning the difference to bilinear upscaling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def bilinear_filters(scale: int) -> Tensor:
    """The s*s filters (s*s, 1, 3, 3) that make bilinear upscaling out of a convolution and pixel shuffle.

    Pixel centres at (i + 1/2) / s, as ``F.interpolate(mode="bilinear", align_corners=False)``.
    """
    phase = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    taps = torch.arange(-1, 2, dtype=torch.float64)
    rows = (1 - (phase[:, None] - taps[None, :]).abs()).clamp(min=0)
    return torch.einsum("iy,jx->ijyx", rows, rows).reshape(scale**2, 1, 3, 3).float()


class BilinearResidualCNN(nn.Module):
    """conv5 1->D, tanh, conv3 D->S, tanh, conv3 S->s*s, plus fixed bilinear filters, pixel shuffle.

    D = 0 drops the first layer.
    """

    bilinear: Tensor

    def __init__(self, scale: int, d: int, s: int) -> None:
        super().__init__()
        first = [nn.Conv2d(1, d, 5, padding=2), nn.Tanh()] if d else []
        self.net = nn.Sequential(
            *first,
            nn.Conv2d(d or 1, s, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(s, scale**2, 3, padding=1),
        )
        self.pixel_shuffle = nn.PixelShuffle(scale)
        self.register_buffer("bilinear", bilinear_filters(scale), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pixel_shuffle(self.net(x) + F.conv2d(x, self.bilinear, padding=1))
        return out
