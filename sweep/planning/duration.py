"""How long a sweep will take: estimated from stored training times, or from a short probe on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_space import parse_id
from search_space.config import Config
from search_space.describe import describe
from search_space.errors import BadConfig
from search_space.facts import TrialKey
from workers.training.recipe import Recipe
from workers.training.train import initial_module, inner, loss_of

PROBE_S = 0.7
"""About how long the probe times each of its configs."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of work for one worker, and what the estimate rests on."""

    seconds: float
    how: str

    def on(self, workers: int) -> float:
        """Seconds with that many workers, if the work divides evenly."""
        return self.seconds / max(1, workers)


def from_history(keys: Sequence[TrialKey], seconds: Mapping[str, float]) -> Estimate | None:
    """From ``seconds`` of finished trials of the same sweep, by config id; None when there are fewer than 3.

    A config without a time of its own is given the median seconds per multiply-add of the others.
    """
    keys = [key for key in keys if _runs(key.config)]
    rates = [value / describe(parse_id(config)).macs_full_hd for config, value in seconds.items() if value > 0]
    if len(rates) < 3:
        return None
    rate = statistics.median(rates)
    total = sum(seconds.get(key.config) or rate * describe(parse_id(key.config)).macs_full_hd for key in keys)
    return Estimate(total, f"judged by {len(rates)} finished trials")


def probe(keys: Sequence[TrialKey], recipe: Recipe) -> Estimate:
    """From a few training steps of a cheap, a medium and a costly config on one thread of this machine.

    Seconds per step are fitted as a + b * multiply-adds. The estimate is for one CPU worker that trains each config
    by itself.
    """
    trained = [
        key
        for key in keys
        if _runs(key.config) and describe(parse_id(key.config)).parameters and "Bicubic" not in key.config
    ]
    if not trained or not recipe.steps:
        return Estimate(0.0, "there is nothing to train")
    by_cost = sorted({key.config for key in trained}, key=lambda config: _macs(parse_id(config)))
    probed = [by_cost[0], by_cost[len(by_cost) // 2], by_cost[-1]]
    points = [(float(_macs(parse_id(config))), _seconds_per_step(parse_id(config), recipe)) for config in probed]
    slope, base = _line(points)
    configs = [parse_id(key.config) for key in trained]
    total = sum(recipe.steps_of(config) * max(1e-6, base + slope * _macs(config)) for config in configs)
    return Estimate(
        total, f"judged by a few steps each of {', '.join(dict.fromkeys(probed))} here, each alone on one CPU"
    )


def _runs(config: str) -> bool:
    """Whether the costs of a config are known; of a user's family whose code raises, hangs or crashes they are not."""
    try:
        describe(parse_id(config))
    except BadConfig:
        return False
    return True


def _macs(config: Config) -> int:
    return describe(config).macs_full_hd


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    if len({x for x, _ in points}) < 2:
        return 0.0, statistics.mean(y for _, y in points)
    fit = statistics.linear_regression([x for x, _ in points], [y for _, y in points])
    return max(0.0, fit.slope), fit.intercept


def _seconds_per_step(config: Config, recipe: Recipe) -> float:  # pragma: no mutate block
    """Forward, backward and update on random patches of the recipe's size."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        module = initial_module(config, 0)
        optimiser = torch.optim.Adam(module.parameters(), lr=1e-6)
        low = torch.rand(recipe.batch, 1, recipe.patch, recipe.patch)
        high = torch.rand(recipe.batch, 1, config.scale * recipe.patch, config.scale * recipe.patch)
        border = recipe.border * config.scale
        times: list[float] = []
        deadline = time.perf_counter() + PROBE_S
        while len(times) < 3 or (time.perf_counter() < deadline and len(times) < 12):
            started = time.perf_counter()
            optimiser.zero_grad(set_to_none=True)
            loss_of(recipe.loss, inner(module(low), border), inner(high, border)).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            times.append(time.perf_counter() - started)
        return statistics.median(times[1:])
    finally:
        torch.set_num_threads(threads)


def in_words(seconds: float) -> str:
    """A duration for people.

    >>> in_words(42), in_words(600), in_words(9000), in_words(400000)
    ('42 s', '10 min', '2.5 h', '4.6 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
