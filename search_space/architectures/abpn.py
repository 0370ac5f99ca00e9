"""ABPN: plain 3 x 3 convolutions that learn the difference to nearest-neighbour upscaling."""

from __future__ import annotations

from torch import Tensor, nn


class AnchorPlainNet(nn.Module):
    """conv3 1->D, ReLU, M x (conv3 D->D, ReLU), conv3 D->s*s, plus the input as anchor, pixel shuffle.

    Adding the input to each of the s*s channels before the shuffle is nearest-neighbour upscaling: one
    addition a value, no interpolation. The published net is RGB and has a further convolution in front of
    the anchor; on luma, at this size, that layer would be most of the network, so it is left out.
    """

    def __init__(self, scale: int, d: int, m: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, d, 3, padding=1), nn.ReLU()]
        for _ in range(m):
            layers += [nn.Conv2d(d, d, 3, padding=1), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Conv2d(d, scale**2, 3, padding=1))
        self.pixel_shuffle = nn.PixelShuffle(scale)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pixel_shuffle(self.net(x) + x)
        return out
