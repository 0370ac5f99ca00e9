"""Finished results of one scale, and the fraction of their hypervolume that some of the configs reach. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from search_space import Config, parse_id
from search_space.errors import BadData
from sweep.search.features import Array
from sweep.search.hypervolume import hypervolume
from sweep.search.objectives import Constraint, Objective

Facts = Mapping[Objective, float]


@dataclass(frozen=True)
class ReplayTable:
    """Every config of one scale with its value of each objective and of each constrained quantity."""

    name: str
    objectives: tuple[Objective, ...]
    facts: Mapping[Config, Facts]
    """The values that a search is scored by."""
    constraints: tuple[Constraint, ...] = ()
    measured: Mapping[Config, Facts] | None = None
    """What the search observes where it differs from ``facts``: one noisy training of each config."""

    @property
    def observed(self) -> Mapping[Config, Facts]:
        """What a search is told of each config it tries."""
        return self.measured or self.facts

    @property
    def scale(self) -> int:
        """The scale of all configs."""
        return next(iter(self.facts)).scale

    @cached_property
    def values(self) -> Mapping[Config, tuple[float, ...]]:
        """A config's values in the order of the objectives."""
        return {config: tuple(facts[o] for o in self.objectives) for config, facts in self.facts.items()}

    @cached_property
    def axes(self) -> Array:
        """(n, m) larger-is-better, in the order of ``facts``."""
        return np.array(
            [[o.axis(v) for o, v in zip(self.objectives, values, strict=True)] for values in self.values.values()]
        )

    @cached_property
    def feasible(self) -> Array:
        """(n,) of bool: whether a config keeps all constraints."""
        return np.array(
            [
                all(bound.violation(facts[bound.objective]) <= 0 for bound in self.constraints)
                for facts in self.facts.values()
            ]
        )

    @cached_property
    def reference(self) -> Array:
        """(m,): the worst value of each axis over the feasible configs."""
        return np.asarray(self.axes[self.feasible].min(axis=0))

    @cached_property
    def exhaustive(self) -> float:
        """Hypervolume of the exhaustive sweep."""
        return hypervolume(self.axes[self.feasible], self.reference)

    def ratio(self, configs: Sequence[Config]) -> float:
        """Hypervolume of the feasible ones among ``configs`` as a fraction of the exhaustive one."""
        chosen = [self._index[config] for config in configs]
        kept = [i for i in chosen if self.feasible[i]]
        return hypervolume(self.axes[kept], self.reference) / self.exhaustive

    @cached_property
    def _index(self) -> Mapping[Config, int]:
        return {config: i for i, config in enumerate(self.facts)}


def replay_table(
    name: str,
    objectives: Sequence[Objective],
    values: Mapping[str, Sequence[float]],
    constraints: Sequence[Constraint] = (),
    bounded: Mapping[str, Facts] | None = None,
) -> ReplayTable:
    """A table from ids; configs without a finite value of every objective are left out.

    ``bounded`` holds the values of constrained quantities that are no objective. Raises BadData when fewer than
    3 configs are left.
    """
    kept: dict[Config, Facts] = {}
    for text, row in sorted(values.items()):
        if all(np.isfinite(o.axis(v)) for o, v in zip(objectives, row, strict=True)):
            kept[parse_id(text)] = {**dict(zip(objectives, row, strict=True)), **(bounded or {}).get(text, {})}
    if len(kept) < 3:
        raise BadData(f"table {name!r} has {len(kept)} configs with {' and '.join(map(str, objectives))}")
    return ReplayTable(name, tuple(objectives), kept, tuple(constraints))
