"""ESPCN: tanh layers in LR, sub-pixel convolution, sigmoid."""

from __future__ import annotations

from torch import Tensor, nn


class SubPixelCNN(nn.Module):
    """conv5 1->D, tanh, conv3 D->S, tanh, conv3 S->s*s, pixel shuffle, sigmoid. D = 0 drops the first."""

    def __init__(self, scale: int, d: int, s: int) -> None:
        super().__init__()
        first = [nn.Conv2d(1, d, 5, padding=2), nn.Tanh()] if d else []
        self.net = nn.Sequential(
            *first,
            nn.Conv2d(d or 1, s, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(s, scale**2, 3, padding=1),
            nn.PixelShuffle(scale),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out
