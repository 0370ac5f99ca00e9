"""edge-SR: one linear layer and a head (Navarrete Michelini et al., WACV 2022).

A k x k convolution makes C candidate images (MAX), or C values and keys (TM, template
matching), or C values, queries and keys (TR, transformer); the head mixes them per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from search_space.config import Config, Conv
from search_space.registry import family

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class OneLayer(Config):
    """What the three one-layer families share. K: kernel side; C: number of templates."""

    K: int
    C: int
    maps: ClassVar[int]
    """Feature maps per template: 1 (MAX), 2 (TM: value, key), 3 (TR: value, query, key)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_odd("K", 15)
        self.require_range("C", 1, 256)

    def build(self) -> nn.Module:
        from search_space.architectures import edge_sr

        heads = {1: edge_sr.EdgeSRMax, 2: edge_sr.EdgeSRTM, 3: edge_sr.EdgeSRTR}
        return heads[self.maps](self.scale, self.K, self.C)

    def convs(self) -> tuple[Conv, ...]:
        return (Conv(self.K, 1, self.maps * self.scale**2 * self.C, bias=False),)


@family("eSR-MAX")
@dataclass(frozen=True)
class ESRMax(OneLayer):
    """The maximum over C candidate images."""

    maps = 1


@family("eSR-TM")
@dataclass(frozen=True)
class ESRTM(OneLayer):
    """Template matching: values weighted by softmax of the keys."""

    maps = 2


@family("eSR-TR")
@dataclass(frozen=True)
class ESRTR(OneLayer):
    """Transformer: values weighted by softmax of query times key."""

    maps = 3
