"""eSR-CNN: two tanh layers and a self-attention head, softmax(key * key)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EdgeSRCNN(nn.Module):
    """conv5 1->D, tanh, conv3 D->S, tanh, conv3 S->2*s*s*C (no bias), pixel shuffle, head. D = 0 drops the first."""

    def __init__(self, scale: int, templates: int, d: int, s: int) -> None:
        super().__init__()
        self.templates = templates
        first = [nn.Conv2d(1, d, 5, padding=2), nn.Tanh()] if d else []
        self.filter = nn.Sequential(
            *first,
            nn.Conv2d(d or 1, s, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(s, 2 * scale**2 * templates, 3, padding=1, bias=False),
        )
        self.pixel_shuffle = nn.PixelShuffle(scale)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pixel_shuffle(self.filter(x))
        value, key = torch.split(out, self.templates, dim=1)
        return (value * (key * key).softmax(dim=1)).sum(dim=1, keepdim=True)
