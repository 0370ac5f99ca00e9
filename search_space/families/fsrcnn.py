"""FSRCNN: shrink, map, expand, transposed convolution (Dong et al., ECCV 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_space.config import Config, Conv
from search_space.registry import family

if TYPE_CHECKING:
    from torch import nn


@family("FSRCNN")
@dataclass(frozen=True)
class FSRCNN(Config):
    """D: feature channels; S: channels after shrinking; M: mapping layers."""

    D: int
    S: int
    M: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range("D", 1, 512)
        self.require_range("S", 1, 512)
        self.require_range("M", 0, 32)

    def build(self) -> nn.Module:
        from search_space.architectures.fsrcnn import FastSRCNN

        return FastSRCNN(self.scale, self.D, self.S, self.M)

    def convs(self) -> tuple[Conv, ...]:
        return (
            Conv(5, 1, self.D, extra=1),
            Conv(1, self.D, self.S, extra=1),
            *(Conv(3, self.S, self.S, extra=1) for _ in range(self.M)),
            Conv(1, self.S, self.D, extra=1),
            Conv(9, self.D, 1, transposed_stride=self.scale),
        )
