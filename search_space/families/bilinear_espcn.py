"""ESPCN-BR: ESPCN that learns the difference to bilinear upscaling, without the sigmoid.

ESPCN is Shi et al., CVPR 2016; learning the difference to an interpolated image is VDSR's (Kim, Lee and
Lee, CVPR 2016). Bilinear costs nine taps on the low-resolution grid and folds into the same shuffle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_space.config import Config, Conv
from search_space.registry import family

if TYPE_CHECKING:
    from torch import nn


@family("ESPCN-BR")
@dataclass(frozen=True)
class BilinearESPCN(Config):
    """Sub-pixel convolution over bilinear. D: channels of the first layer (0 drops it); S: of the second."""

    D: int
    S: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range("D", 0, 512)
        self.require_range("S", 1, 512)

    def build(self) -> nn.Module:
        from search_space.architectures.bilinear_espcn import BilinearResidualCNN

        return BilinearResidualCNN(self.scale, self.D, self.S)

    def convs(self) -> tuple[Conv, ...]:
        first = (Conv(5, 1, self.D),) if self.D else ()
        phases = self.scale**2
        return (
            *first,
            Conv(3, self.D or 1, self.S),
            Conv(3, self.S, phases),
            Conv(3, 1, phases, bias=False, frozen=True, beside=True),
        )
