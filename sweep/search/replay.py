"""Run a search against finished results instead of training, in seconds: what tabular benchmarks of NAS do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from search_space import Config, parse_id
from search_space.errors import BadData
from search_space.spaces import Space
from sweep.search.encoding import Encoding, config_of, encoding, listed
from sweep.search.features import Array
from sweep.search.improvement import area
from sweep.search.objectives import Objective
from sweep.search.samplers import SamplerName, make_sampler

REPEATS = 50
"""Suggestions in a row that were tried before, after which a random new config is taken instead."""


@dataclass(frozen=True)
class ReplayTable:
    """Finished results of one scale: every config with its value of each of two objectives."""

    name: str
    objectives: tuple[Objective, Objective]
    values: Mapping[Config, tuple[float, float]]

    @property
    def scale(self) -> int:
        """The scale of all configs."""
        return next(iter(self.values)).scale

    @cached_property
    def axes(self) -> Array:
        """(n, 2) larger-is-better; the second objective first, so that speed is axis 0."""
        return np.array(
            [[o.axis(v) for o, v in zip(self.objectives, pair, strict=True)] for pair in self.values.values()]
        )

    @cached_property
    def reference(self) -> Array:
        """The worst value of each axis over the whole table."""
        return np.asarray(self.axes.min(axis=0))

    @cached_property
    def whole(self) -> float:
        """Hypervolume of the exhaustive sweep."""
        return area(self.axes, self.reference)

    def ratio(self, configs: Sequence[Config]) -> float:
        """Hypervolume of some configs as a part of the exhaustive one."""
        index = {config: i for i, config in enumerate(self.values)}
        return area(self.axes[[index[c] for c in configs]], self.reference) / self.whole


def replay_table(
    name: str, objectives: tuple[Objective, Objective], values: Mapping[str, tuple[float, float]]
) -> ReplayTable:
    """A table from ids; configs without two finite values are left out. Raises BadData when fewer than 3 are left."""
    kept: dict[Config, tuple[float, float]] = {}
    for text, pair in sorted(values.items()):
        if all(np.isfinite(o.axis(v)) for o, v in zip(objectives, pair, strict=True)):
            kept[parse_id(text)] = pair
    if len(kept) < 3:
        raise BadData(f"table {name!r} has {len(kept)} configs with both {objectives[0]} and {objectives[1]}")
    return ReplayTable(name, objectives, kept)


@dataclass(frozen=True)
class Replay:
    """One search on one table: the configs in the order they were tried, and the ratio after each."""

    sampler: SamplerName
    seed: int
    tried: tuple[Config, ...]
    ratio: tuple[float, ...]


def encoding_for(table: ReplayTable, space: Space | None = None) -> Encoding:
    """Parameters for the table's configs: the space's own grids where it has them, else the values that occur."""
    return encoding(space, table.scale) if space is not None else listed(table.values)


def replay(table: ReplayTable, sampler: SamplerName, budget: int, seed: int, encoded: Encoding | None = None) -> Replay:
    """Search a table with an ordinary Optuna study. A config counts once: asking again for one is free.

    ``sampler`` frontier knows every config's value of the objectives that need no training.
    """
    import optuna

    encoded = encoded or encoding_for(table)
    cheap = [k for k, o in enumerate(table.objectives) if not o.needs_training]
    chosen = make_sampler(
        sampler,
        encoded,
        list(table.values),
        table.objectives,
        lambda config: {table.objectives[k]: table.values[config][k] for k in cheap},
        seed=seed,
    )
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(directions=[o.direction for o in table.objectives], sampler=chosen)
        tried = _spend(study, table, encoded, min(budget, len(table.values)), seed)
    finally:
        optuna.logging.set_verbosity(before)
    return Replay(sampler, seed, tuple(tried), _curve(table, tried))


def _spend(study: object, table: ReplayTable, encoded: Encoding, budget: int, seed: int) -> list[Config]:
    import optuna

    assert isinstance(study, optuna.Study)
    rng = np.random.default_rng(seed)
    tried: dict[Config, None] = {}
    repeats = 0
    while len(tried) < budget:
        if repeats >= REPEATS:
            rest = [config for config in table.values if config not in tried]
            study.enqueue_trial(encoded.encode(rest[int(rng.integers(len(rest)))]) or {})
            repeats = 0
        trial = study.ask()
        try:
            encoded.suggest(trial)
        except Exception:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            repeats += 1
            continue
        config = config_of(encoded, trial.params)
        if config is None or config not in table.values:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            repeats += 1
            continue
        repeats = repeats + 1 if config in tried else 0
        tried[config] = None
        study.tell(trial, table.values[config])
    return list(tried)


def _curve(table: ReplayTable, tried: Sequence[Config]) -> tuple[float, ...]:
    return tuple(table.ratio(tried[: n + 1]) for n in range(len(tried)))
