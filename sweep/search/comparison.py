"""Compare samplers by replays: medians and quartiles over seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from search_space.spaces import Space
from sweep.search import DEFAULT_BATCH
from sweep.search.replay import encoding_for, replay
from sweep.search.replay_table import ReplayTable
from sweep.search.samplers import SamplerName


@dataclass(frozen=True)
class ComparisonRow:
    """Hypervolume after ``trials`` trials as a fraction of the exhaustive sweep's: median and quartiles over seeds."""

    table: str
    scale: int
    sampler: str
    trials: int
    hypervolume_ratio_median: float
    q25: float
    q75: float
    seeds: int
    batch: int


def compare(
    tables: Sequence[ReplayTable],
    samplers: Iterable[SamplerName],
    budget: int,
    seeds: int,
    at: Sequence[int] | None = None,
    space: Space | None = None,
    batch: int = DEFAULT_BATCH,
    progress: Callable[[str], None] = lambda text: None,
) -> list[ComparisonRow]:
    """Every sampler on every table with every seed. Rows at the trial counts ``at`` (default 10, 20, ... budget)."""
    trial_counts = sorted({n for n in (at or [*range(10, budget, 10), budget]) if n <= budget})
    rows = []
    for table in tables:
        encoded = encoding_for(table, space)
        for sampler in samplers:
            curves = []
            for seed in range(seeds):
                curves.append(replay(table, sampler, budget, seed, encoded, batch).ratio)
                progress(f"{table.name} x{table.scale} {sampler} seed {seed}")
            ratios = np.array([curve + (curve[-1],) * (budget - len(curve)) for curve in curves])
            for n in trial_counts:
                low, middle, high = np.quantile(ratios[:, n - 1], (0.25, 0.5, 0.75))
                rows.append(
                    ComparisonRow(
                        table.name,
                        table.scale,
                        str(sampler),
                        n,
                        round(float(middle), 5),
                        round(float(low), 5),
                        round(float(high), 5),
                        seeds,
                        batch,
                    )
                )
    return rows
