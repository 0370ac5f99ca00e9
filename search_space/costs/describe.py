"""What a config costs before anything is trained: parameters, multiply-accumulates, receptive field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from search_space.config import Config, Conv

FULL_HD = (1080, 1920)
"""Rows and columns of the output that MACs are counted for."""


@dataclass(frozen=True)
class Description:
    """Costs of one config, the same on every device."""

    parameters: int
    """Weights, biases and slopes, fixed ones included."""
    macs_full_hd: int
    """Multiply-accumulates of the convolutions for one 1920 x 1080 output."""
    receptive_field: int
    """Side in low-resolution pixels of the square that one output pixel sees."""


@lru_cache(maxsize=65536)
def describe(config: Config) -> Description:
    """The costs of a config: by arithmetic from ``config.convs()``, or measured on the module where that is None."""
    convs = config.convs()
    return measured(config) if convs is None else from_convs(convs, config.scale)


def from_convs(convs: Sequence[Conv], scale: int) -> Description:
    """Arithmetic over layers that all run on the low-resolution grid.

    >>> from search_space import parse_id
    >>> from_convs(parse_id("eSR-TM_s2_K5_C4").convs(), 2)
    Description(parameters=800, macs_full_hd=414720000, receptive_field=5)
    """
    parameters = products = 0
    field = 1
    for conv in convs:
        weights = conv.kernel**2 * conv.c_in * conv.c_out
        parameters += weights + conv.extra + (conv.c_out if conv.bias else 0)
        products += weights
        seen = math.ceil(conv.kernel / conv.transposed_stride) if conv.transposed_stride else conv.kernel
        field += 0 if conv.beside else seen - 1
    pixels = (FULL_HD[0] // scale) * (FULL_HD[1] // scale)
    return Description(parameters, products * pixels, field)


def measured(config: Config) -> Description:
    """The same costs from the torch module itself, for a family that only knows how to build.

    A user's family is measured in a process of its own: raises BadConfig when its code raises, hangs or crashes.
    """
    from search_space import user_code

    if user_code.is_users(config):
        from search_space.costs import measure_apart

        return Description(*measure_apart.costs(config))
    from search_space.costs.measure import macs, parameters, receptive_field

    return Description(parameters(config), macs(config, *FULL_HD), receptive_field(config))
