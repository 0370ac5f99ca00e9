"""One learned linear filter a phase: a convolution and pixel shuffle, nothing else."""

from __future__ import annotations

from torch import Tensor, nn


class LinearFilter(nn.Module):
    """conv k x k, 1 -> s*s without bias, pixel shuffle. Starts as nearest-neighbour upscaling."""

    def __init__(self, scale: int, kernel: int) -> None:
        super().__init__()
        self.filter = nn.Conv2d(1, scale**2, kernel, padding=kernel // 2, bias=False)
        self.pixel_shuffle = nn.PixelShuffle(scale)
        nn.init.zeros_(self.filter.weight)
        self.filter.weight.data[:, 0, kernel // 2, kernel // 2] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pixel_shuffle(self.filter(x))
        return out
