"""ESPCN: efficient sub-pixel convolution (Shi et al., CVPR 2016), sized by D and S."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_space.config import Config, Conv
from search_space.registry import family

if TYPE_CHECKING:
    from torch import nn


@family("ESPCN")
@dataclass(frozen=True)
class ESPCN(Config):
    """D: channels of the first layer (0 drops it); S: of the second."""

    D: int
    S: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range("D", 0, 512)
        self.require_range("S", 1, 512)

    def build(self) -> nn.Module:
        from search_space.architectures.espcn import SubPixelCNN

        return SubPixelCNN(self.scale, self.D, self.S)

    def convs(self) -> tuple[Conv, ...]:
        first = (Conv(5, 1, self.D),) if self.D else ()
        return (*first, Conv(3, self.D or 1, self.S), Conv(3, self.S, self.scale**2))
