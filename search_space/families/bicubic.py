"""Bicubic upscaling (Keys' cubic, a = -0.5): the reference every network has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_space.config import Config, Conv
from search_space.registry import family

if TYPE_CHECKING:
    from torch import nn


@family("Bicubic")
@dataclass(frozen=True)
class Bicubic(Config):
    """Untrained; its filter is fixed."""

    def build(self) -> nn.Module:
        from search_space.architectures.bicubic import BicubicTransposed

        return BicubicTransposed(self.scale)

    def convs(self) -> tuple[Conv, ...]:
        return (Conv(4 * self.scale + 3, 1, 1, bias=False, transposed_stride=self.scale),)
