"""FSRCNN: features, shrink, M mapping layers, expand, 9 x 9 transposed convolution."""

from __future__ import annotations

from torch import Tensor, nn

SIDE = 9
"""Side in pixels of the transposed convolution's filter."""


class FastSRCNN(nn.Module):
    """conv5 1->D, conv1 D->S, M x conv3 S->S, conv1 S->D, transposed conv 9 x 9 of stride s.

    Every convolution but the last is followed by a PReLU of one slope.
    """

    def __init__(self, scale: int, d: int, s: int, m: int) -> None:
        super().__init__()
        mapping: list[nn.Module] = []
        # Centres the 9 taps on the enlarged pixel; with 4 at every scale the released weights of x3 and x4 give an
        # image one pixel off, 3 to 6 dB below their published values.
        padding = -(-(SIDE - scale) // 2)
        for _ in range(m):
            mapping += [nn.Conv2d(s, s, 3, padding=1), nn.PReLU()]
        self.net = nn.Sequential(
            nn.Conv2d(1, d, 5, padding=2),
            nn.PReLU(),
            nn.Conv2d(d, s, 1),
            nn.PReLU(),
            *mapping,
            nn.Conv2d(s, d, 1),
            nn.PReLU(),
            nn.ConvTranspose2d(d, 1, SIDE, stride=scale, padding=padding, output_padding=scale + 2 * padding - SIDE),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out
