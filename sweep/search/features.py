"""The inputs of a surrogate model: a config's costs, fields and family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_space import Config
from search_space.costs.describe import FULL_HD, describe

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Features:
    """Columns of n candidates, each of mean 0 and spread 1.

    ``shared`` (n, g): logarithms of MACs, parameters, receptive field, and of known objectives, comparable across
    families. ``own`` (n, v): logarithms of the fields, standardised within each family, 0 where a family lacks one.
    ``fields`` (n, v): the same, standardised over all families, since families may share fields (ESPCN and eSR-CNN).
    ``family`` (n,): the index of the family. ``size`` (n,): what the modelled quantity is expected to follow.
    """

    shared: Array
    own: Array
    fields: Array
    family: NDArray[np.int64]
    size: Array

    def __len__(self) -> int:
        return len(self.family)


def features(configs: Sequence[Config], known: Sequence[Array] = ()) -> Features:
    """Features of candidates; ``known`` are further columns (n,), such as the logarithm of a measured speed.

    ``size`` is of MACs, parameters and whether there is a hidden layer: a network without one maps the image to the
    output in one step, however large it is.
    """
    names = sorted({name for config in configs for name in config.values})
    families = {name: i for i, name in enumerate(sorted({config.family for config in configs}))}
    family = np.array([families[config.family] for config in configs])
    fields = np.array([[np.log1p(config.values.get(name, 0)) for name in names] for config in configs])
    own = np.zeros((len(configs), len(names)))
    for index in families.values():
        own[family == index] = _standard(fields[family == index])
    hidden = np.array([float(len(config.convs() or ()) > 1) for config in configs])
    shared = _standard(np.column_stack([*np.log(_costs(configs)).T, hidden, *known]))
    size = shared[:, 0] + shared[:, 1] + _standard(hidden)
    return Features(shared, own, _standard(fields), family, _standard(size))


def cost_features(configs: Sequence[Config]) -> Features | None:
    """Features that explain what a config costs on a device; None where its layers are not known.

    Beside the arithmetic, what its layers move: the sum and the largest of their feature maps (in and out), which
    decide speed on a device that waits for its memory, and the memory itself. ``size`` is of MACs and what is moved.
    """
    layers = [config.convs() for config in configs]
    if any(convs is None for convs in layers):
        return None
    maps = [[conv.c_in + conv.c_out for conv in convs or ()] for convs in layers]
    moved = np.array([[sum(counts), max(counts), len(counts)] for counts in maps], dtype=float)
    macs, parameters, field = _costs(configs).T
    plain = features(configs)
    shared = _standard(np.log(np.column_stack([macs, moved[:, 0], parameters, field, moved[:, 1:]])))
    return Features(shared, plain.own, plain.fields, plain.family, _standard(shared[:, 0] + shared[:, 1]))


def _costs(configs: Sequence[Config]) -> Array:
    """MACs, parameters and, where arithmetic gives it for all of them, the receptive field."""
    if all(config.convs() is not None for config in configs):
        described = [describe(config) for config in configs]
        return np.array([[d.macs_full_hd, d.parameters, d.receptive_field] for d in described], dtype=float)
    # Measuring a receptive field takes a second per config, and the kernel sizes are fields anyway.
    from search_space.costs.measure import macs, parameters

    return np.array([[macs(config, *FULL_HD), parameters(config)] for config in configs], dtype=float)


def _standard(columns: Array) -> Array:
    spread = columns.std(axis=0)
    out: Array = (columns - columns.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    return out
