"""The three one-layer edge-SR networks: one convolution, pixel shuffle, a head over C templates."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class OneLayerNet(nn.Module):
    """A k x k convolution without bias to ``maps * C`` full-resolution feature maps."""

    maps = 1

    def __init__(self, scale: int, kernel: int, templates: int) -> None:
        super().__init__()
        self.templates = templates
        self.filter = nn.Conv2d(1, self.maps * scale**2 * templates, kernel, padding=kernel // 2, bias=False)
        self.pixel_shuffle = nn.PixelShuffle(scale)
        nn.init.xavier_normal_(self.filter.weight)
        self.filter.weight.data[:, 0, kernel // 2, kernel // 2] = 1.0

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """``maps`` tensors of shape (N, C, sH, sW)."""
        out: Tensor = self.pixel_shuffle(self.filter(x))
        return torch.split(out, self.templates, dim=1)


class EdgeSRMax(OneLayerNet):
    """max over C."""

    maps = 1

    def forward(self, x: Tensor) -> Tensor:
        (value,) = self.feature_maps(x)
        return value.amax(dim=1, keepdim=True)


class EdgeSRTM(OneLayerNet):
    """Sum over C of value * softmax(key)."""

    maps = 2

    def forward(self, x: Tensor) -> Tensor:
        value, key = self.feature_maps(x)
        return (value * key.softmax(dim=1)).sum(dim=1, keepdim=True)


class EdgeSRTR(OneLayerNet):
    """Sum over C of value * softmax(query * key)."""

    maps = 3

    def forward(self, x: Tensor) -> Tensor:
        value, query, key = self.feature_maps(x)
        return (value * (query * key).softmax(dim=1)).sum(dim=1, keepdim=True)
