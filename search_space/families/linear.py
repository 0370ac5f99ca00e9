"""Linear: one learned filter a phase, the case C = 1 of every eSR head.

It is RAISR (Romano, Isidoro and Milanfar, IEEE Transactions on Computational Imaging, 2017) with one
bucket instead of a hash: the best that a linear upscaler can do, and what every template beyond the
first has to earn its time against.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_space.config import Config, Conv
from search_space.registry import family

if TYPE_CHECKING:
    from torch import nn


@family("Linear")
@dataclass(frozen=True)
class Linear(Config):
    """One learned linear filter for each of the s*s output positions. K: kernel side."""

    K: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_odd("K", 31)

    def build(self) -> nn.Module:
        from search_space.architectures.linear import LinearFilter

        return LinearFilter(self.scale, self.K)

    def convs(self) -> tuple[Conv, ...]:
        return (Conv(self.K, 1, self.scale**2, bias=False),)
