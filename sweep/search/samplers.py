"""Samplers by name: ours and Optuna's own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from search_space import Config
from sweep.search.encoding import Encoding
from sweep.search.objectives import Constraint, Objective

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from sweep.search.frontier_sampler import KnownCosts


class SamplerName(StrEnum):
    """What ``--sampler`` takes. ``frontier`` is the default: see docs/search.md for the comparison."""

    FRONTIER = "frontier"
    FRONTIER_BLIND = "frontier-blind"
    """The same without known costs: speeds are modelled too."""
    RANDOM = "random"
    TPE = "tpe"
    """Optuna's default sampler with its default settings."""
    TPE_MULTIVARIATE = "tpe-multivariate"
    NSGA2 = "nsga2"
    NSGA3 = "nsga3"
    GP = "gp"


def make_sampler(
    name: SamplerName,
    encoding: Encoding,
    candidates: Sequence[Config],
    objectives: Sequence[Objective],
    known: KnownCosts | None = None,
    constraints: Sequence[Constraint] = (),
    seed: int = 0,
) -> BaseSampler:
    """A sampler for one study. Optuna's samplers see parameters and values only; ours also sees the ``known`` costs."""
    import optuna
    from optuna import samplers

    from sweep.search.frontier_sampler import FrontierSampler

    if name in (SamplerName.FRONTIER, SamplerName.FRONTIER_BLIND):
        costs = known if name is SamplerName.FRONTIER else None
        return FrontierSampler(encoding, candidates, objectives, costs, constraints, seed)
    with warnings.catch_warnings():
        # Multivariate and grouped TPE and the GP are marked experimental; that is what is being compared.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name is SamplerName.TPE:
            return samplers.TPESampler(seed=seed)
        if name is SamplerName.TPE_MULTIVARIATE:
            return samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
        # The default mutation probability is 1 / (number of parameters that all trials have). Only the grid is such a
        # parameter, so it would always be mutated and the search would be random. A population of 10 lets a small
        # budget have several generations.
        if name is SamplerName.NSGA2:
            return samplers.NSGAIISampler(seed=seed, population_size=10, mutation_prob=0.1)
        if name is SamplerName.NSGA3:
            return samplers.NSGAIIISampler(seed=seed, population_size=10, mutation_prob=0.1)
        if name is SamplerName.GP:
            return samplers.GPSampler(seed=seed)
        return samplers.RandomSampler(seed=seed)
