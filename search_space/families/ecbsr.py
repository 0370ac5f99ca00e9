"""ECBSR: edge-oriented convolution blocks (Zhang, Zeng and Zhang, ACM Multimedia 2021), on luma."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_space.config import Config, Conv
from search_space.registry import family

if TYPE_CHECKING:
    from torch import nn


@family("ECBSR")
@dataclass(frozen=True)
class ECBSR(Config):
    """Reparameterised edge blocks over a nearest-neighbour anchor. D: channels; M: blocks between first and last.

    Its arithmetic is that of the deployed form, ``build().fused()``.
    """

    D: int
    M: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range("D", 1, 512)
        self.require_range("M", 0, 32)

    def build(self) -> nn.Module:
        from search_space.architectures.ecbsr import EdgeBlockNet

        return EdgeBlockNet(self.scale, self.D, self.M)

    def convs(self) -> tuple[Conv, ...]:
        hidden = (Conv(3, self.D, self.D, extra=self.D) for _ in range(self.M))
        return (Conv(3, 1, self.D, extra=self.D), *hidden, Conv(3, self.D, self.scale**2))
