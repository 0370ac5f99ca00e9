"""Samplers by name: ours and Optuna's own, for comparison and for those who prefer them."""

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

    from sweep.search.frontier_sampler import Known


class SamplerName(StrEnum):
    """What ``--sampler`` takes. ``frontier`` is the default: see docs/search.md for the comparison."""

    FRONTIER = "frontier"
    FRONTIER_BLIND = "frontier-blind"
    """The same without speeds known beforehand: they are modelled too."""
    RANDOM = "random"
    TPE = "tpe"
    """Optuna's default, as it comes."""
    TPE_MULTIVARIATE = "tpe-multivariate"
    NSGA2 = "nsga2"
    NSGA3 = "nsga3"
    GP = "gp"


def make_sampler(
    name: SamplerName,
    encoding: Encoding,
    candidates: Sequence[Config],
    objectives: Sequence[Objective],
    known: Known | None = None,
    constraints: Sequence[Constraint] = (),
    seed: int = 0,
) -> BaseSampler:
    """A sampler for one study. Optuna's samplers see only parameters and values; ours also what is known."""
    import optuna
    from optuna import samplers

    from sweep.search.frontier_sampler import FrontierSampler

    if name in (SamplerName.FRONTIER, SamplerName.FRONTIER_BLIND):
        seen = known if name is SamplerName.FRONTIER else None
        return FrontierSampler(encoding, candidates, objectives, seen, constraints, seed)
    with warnings.catch_warnings():
        # Multivariate and grouped TPE and the GP are marked experimental; that is what is being compared.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name is SamplerName.TPE:
            return samplers.TPESampler(seed=seed)
        if name is SamplerName.TPE_MULTIVARIATE:
            return samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
        # All configs share one parameter, the grid; the default mutates one parameter in as many as are shared, so
        # always this one, and the search would be random. Populations of 10 leave a small budget some generations.
        if name is SamplerName.NSGA2:
            return samplers.NSGAIISampler(seed=seed, population_size=10, mutation_prob=0.1)
        if name is SamplerName.NSGA3:
            return samplers.NSGAIIISampler(seed=seed, population_size=10, mutation_prob=0.1)
        if name is SamplerName.GP:
            return samplers.GPSampler(seed=seed)
        return samplers.RandomSampler(seed=seed)
