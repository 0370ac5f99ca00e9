"""eSR-CNN: ESPCN's two hidden layers in front of an eSR head (Navarrete Michelini et al., WACV 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_space.config import Config, Conv
from search_space.registry import family

if TYPE_CHECKING:
    from torch import nn


@family("eSR-CNN")
@dataclass(frozen=True)
class ESRCNN(Config):
    """C: templates of the head; D: channels of the first layer (0 drops it); S: of the second."""

    C: int
    D: int
    S: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range("C", 1, 256)
        self.require_range("D", 0, 512)
        self.require_range("S", 1, 512)

    def build(self) -> nn.Module:
        from search_space.architectures.esr_cnn import EdgeSRCNN

        return EdgeSRCNN(self.scale, self.C, self.D, self.S)

    def convs(self) -> tuple[Conv, ...]:
        first = (Conv(5, 1, self.D),) if self.D else ()
        return (
            *first,
            Conv(3, self.D or 1, self.S),
            Conv(3, self.S, 2 * self.scale**2 * self.C, bias=False),
        )
