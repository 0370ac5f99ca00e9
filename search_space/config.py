"""A config: one architecture of the space, as a frozen value with validated fields and an id."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from search_space.errors import BadConfig

if TYPE_CHECKING:
    from torch import nn

SCALES = (2, 3, 4)


@dataclass(frozen=True)
class Conv:
    """One convolution as arithmetic sees it: enough for parameters, MACs and receptive field.

    ``kernel`` is the side in pixels of the layer's input; ``bias`` counts one per output channel;
    ``extra`` counts other parameters (the slope of a PReLU). A ``transposed`` convolution of
    stride s does its kernel*kernel*c_in*c_out products once per input pixel and sees
    ceil(kernel / s) input pixels per side. ``frozen`` weights are not trained. A layer ``beside`` the others
    (a fixed residual) adds its costs but does not lengthen the receptive field.
    """

    kernel: int
    c_in: int
    c_out: int
    bias: bool = True
    extra: int = 0
    transposed_stride: int = 0
    frozen: bool = False
    beside: bool = False


@dataclass(frozen=True)
class Config(ABC):
    """One architecture at one scale. Subclasses add integer fields named by one capital letter.

    >>> from search_space import parse_id
    >>> parse_id("eSR-TM_s2_K5_C4").values
    {'K': 5, 'C': 4}
    """

    scale: int
    family: ClassVar[str] = ""

    def __post_init__(self) -> None:
        self.require("scale", SCALES)
        for name in self.values:
            self.require_int(name)

    @property
    def values(self) -> dict[str, int]:
        """The family's own fields in id order, without the scale."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "scale"}

    @property
    def id(self) -> str:
        """The published spelling, for example ``ESPCN_s2_D22_S32``."""
        return "_".join([self.family, f"s{self.scale}", *(f"{k}{v}" for k, v in self.values.items())])

    def __str__(self) -> str:
        return self.id

    @abstractmethod
    def build(self) -> nn.Module:
        """A fresh torch module mapping (N, 1, H, W) luma in [0, 1] to (N, 1, sH, sW).

        Weights are drawn from torch's global generator: seed it first for a repeatable start.
        """

    def convs(self) -> tuple[Conv, ...] | None:
        """The layers as arithmetic, or None when only the module can tell (``describe`` then measures it)."""
        return None

    def require_int(self, name: str) -> None:
        """Refuse a field that is not a plain integer."""
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadConfig(f"{self.family}: {name} must be a whole number, not {value!r}", name)

    def require(self, name: str, allowed: tuple[int, ...]) -> None:
        """Refuse a field outside a short list of values."""
        self.require_int(name)
        value = getattr(self, name)
        if value not in allowed:
            listed = ", ".join(map(str, allowed))
            raise BadConfig(f"{self.family}: {name} = {value} is not possible (choose from {listed})", name)

    def require_odd(self, name: str, most: int) -> None:
        """Refuse a kernel side that has no centre tap or is larger than ``most``."""
        self.require_int(name)
        value = getattr(self, name)
        if value < 1 or value > most or value % 2 == 0:
            raise BadConfig(f"{self.family}: {name} = {value} is not possible (odd, 1 to {most})", name)

    def require_range(self, name: str, least: int, most: int) -> None:
        """Refuse a count outside ``least..most``."""
        self.require_int(name)
        value = getattr(self, name)
        if not least <= value <= most:
            raise BadConfig(f"{self.family}: {name} = {value} is not possible ({least} to {most})", name)
