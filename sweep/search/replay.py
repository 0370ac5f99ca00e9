"""Run the search loop on finished results instead of training, in seconds, as tabular NAS benchmarks do."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from search_space import Config
from search_space.spaces import Space
from sweep.search import DEFAULT_BATCH
from sweep.search.encoding import Encoding, encoding, listed
from sweep.search.loop import Facts, Search
from sweep.search.replay_table import ReplayTable
from sweep.search.samplers import SamplerName, make_sampler


@dataclass(frozen=True)
class TableEvaluator:
    """Looks up in a table what ``Training`` would train."""

    table: ReplayTable

    def evaluate(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """Their finished values."""
        return {config: self.table.observed[config] for config in configs}

    def screen(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """A table holds no short trainings, so no config is pruned."""
        return {}


@dataclass(frozen=True)
class Replay:
    """One search on one table: the configs in the order they were tried, and the ratio after each."""

    sampler: SamplerName
    seed: int
    tried: tuple[Config, ...]
    ratio: tuple[float, ...]
    seconds_per_suggestion: float = field(compare=False)
    """CPU time of the whole loop, its study in memory, per config tried."""


def encoding_for(table: ReplayTable, space: Space | None = None) -> Encoding:
    """Parameters for the table's configs: the space's own grids where it has them, else the values that occur."""
    return encoding(space, table.scale) if space is not None else listed(table.facts)


def replay(
    table: ReplayTable,
    sampler: SamplerName,
    budget: int,
    seed: int,
    encoded: Encoding | None = None,
    batch: int = DEFAULT_BATCH,
) -> Replay:
    """Search a table with ``loop.Search``, as ``sweep search`` does. A config that is suggested again counts once.

    ``sampler`` frontier knows every config's value of the objectives that need no training.
    """
    import optuna

    encoded = encoded or encoding_for(table)
    optuna_sampler = make_sampler(
        sampler,
        encoded,
        list(table.facts),
        table.objectives,
        lambda config: {o: value for o, value in table.observed[config].items() if not o.needs_training},
        table.constraints,
        seed=seed,
    )
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(directions=[o.direction for o in table.objectives], sampler=optuna_sampler)
        search = Search(
            study,
            encoded,
            table.objectives,
            list(table.facts),
            TableEvaluator(table),
            table.constraints,
            batch,
            seed=seed,
        )
        began = time.process_time()
        search.run(min(budget, len(table.facts)))
        seconds = time.process_time() - began
    finally:
        optuna.logging.set_verbosity(before)
    by_id = {config.id: config for config in table.facts}
    tried = tuple(by_id[text] for text in search.tried())
    curve = tuple(table.ratio(tried[: n + 1]) for n in range(len(tried)))
    return Replay(sampler, seed, tried, curve, seconds / max(len(tried), 1))
