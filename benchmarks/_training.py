"""What the training benchmarks share: timed steps of a config and of a pack, and the way from a sample to the space."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache

import numpy as np
import torch
from scipy.optimize import nnls

from search_space.config import Config
from search_space.facts import TrialKey
from search_space.spaces import load_space, select
from sweep.planning.packs import DEFAULT_PACK_SIZE, Item, packs
from workers.data import datasets
from workers.data.image_set import ImageSet
from workers.packs import Member, train_pack
from workers.packs.plan import ONE_LAYER, macs
from workers.training import train
from workers.training.patches import PatchSampler
from workers.training.recipe import Recipe

WARM_STEPS = 2
"""Steps before the clock starts."""
Timer = Callable[[], float]
"""``time.perf_counter``, or ``time.process_time`` for the seconds that this process had a core."""
Stratum = tuple[str, int]
"""Kind (the three one-layer families are one) and scale: what a pack of the sweep has in common."""


class _Enough(Exception):
    """Raised out of a training whose time is up."""


class _Clock:
    """A ``progress`` that ends the training after ``seconds`` and knows the seconds per step."""

    def __init__(self, seconds: float, time_of: Timer) -> None:
        self.seconds, self.time_of, self.warm = seconds, time_of, WARM_STEPS
        self.began, self.steps, self.took = 0.0, 0, 0.0

    def __call__(self, done: int) -> None:
        now = self.time_of()
        if done == self.warm:
            self.began = now
        elif done > self.warm:
            self.steps, self.took = done - self.warm, now - self.began
            if self.took >= self.seconds and self.steps >= 2:
                raise _Enough

    @property
    def a_step(self) -> float:
        return self.took / self.steps


@contextmanager
def threads(count: int) -> Iterator[None]:
    """torch, and the compiled step, on so many cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def images() -> ImageSet:
    """The embedded photographs: what is on them has no bearing on the time of a step."""
    return datasets.training_set((), None)


@cache
def sampler(recipe: Recipe, scale: int) -> PatchSampler:
    return PatchSampler(images(), scale, recipe.patch, recipe.batch, 0)


def single(config: Config, recipe: Recipe, seconds: float, time_of: Timer = time.perf_counter) -> float:
    """Seconds a step of ``training.train``: plain PyTorch, one config."""
    clock = _Clock(seconds, time_of)
    with suppress(_Enough):
        train.train(config, recipe, images(), 0, progress=clock, sampler=sampler(recipe, config.scale))
    return clock.a_step


def pack(
    configs: Sequence[Config],
    recipe: Recipe,
    seconds: float,
    compiled: bool = True,
    time_of: Timer = time.perf_counter,
) -> float:
    """Seconds a step of ``train_pack``: one step of every config."""
    clock = _Clock(seconds, time_of)
    with suppress(_Enough):
        train_pack([Member(c) for c in configs], recipe, images(), progress=clock, compiled=compiled)
    return clock.a_step


@cache
def trained_space() -> tuple[Config, ...]:
    """The paper's configs less the three Bicubic ones, in which nothing is trained."""
    return tuple(c for c in load_space("paper").configs if c.family != "Bicubic")


def sample(n: int, seed: int = 0) -> tuple[Config, ...]:
    """``n`` configs to train: each (family, scale) has its share."""
    return select(trained_space(), sample=n, seed=seed)


def kind(config: Config) -> str:
    return "one-layer" if config.family in ONE_LAYER else config.family


def stratum(config: Config) -> Stratum:
    return kind(config), config.scale


def planned(configs: Sequence[Config], pack_size: int = DEFAULT_PACK_SIZE) -> list[tuple[Config, ...]]:
    """Packs as ``sweep run`` makes them for one worker."""
    known = {config.id: config for config in configs}
    items = [Item(i, TrialKey(config.id, 0, "", "", "")) for i, config in enumerate(configs)]
    return [tuple(known[item.key.config] for item in p.items) for p in packs(items, pack_size)]


def planned_by_kind(configs: Sequence[Config]) -> list[tuple[Config, ...]]:
    """The same with packs of one kind each, so that each kind has its own measurement."""
    kinds: dict[str, list[Config]] = defaultdict(list)
    for config in configs:
        kinds[kind(config)].append(config)
    return [pack for mine in kinds.values() for pack in planned(mine)]


def whole_space(groups: Sequence[Sequence[Config]], seconds: Sequence[float]) -> dict[str, float]:
    """Seconds for one step of every config to be trained, by kind, from the seconds of some groups of configs.

    For each kind a law seconds = a + b * multiply-adds a low-resolution pixel (both at least 0) is fitted to the
    groups; each (kind, scale) measured is then raised in the law's proportion. A single config is a group of one.
    """
    space: dict[Stratum, list[Config]] = defaultdict(list)
    for config in trained_space():
        space[stratum(config)].append(config)
    by_kind: dict[str, list[tuple[Sequence[Config], float]]] = defaultdict(list)
    for group, took in zip(groups, seconds, strict=True):
        by_kind[kind(group[0])].append((group, took))
    out: dict[str, float] = {}
    for name, rows in by_kind.items():
        law = _law(rows)
        total = 0.0
        for scale in sorted({group[0].scale for group, _ in rows}):
            mine = [(group, took) for group, took in rows if group[0].scale == scale]
            measured = sum(took for _, took in mine)
            total += measured * law(space[name, scale]) / sum(law(group) for group, _ in mine)
        out[name] = total
    return out


def _law(rows: Sequence[tuple[Sequence[Config], float]]) -> Callable[[Sequence[Config]], float]:
    # Relative errors count: a row is divided by its time.
    left = np.array([[len(group) / took, sum(map(macs, group)) / took] for group, took in rows])
    (a, b), _ = nnls(left, np.ones(len(rows)))
    return lambda configs: float(a * len(configs) + b * sum(map(macs, configs)))


def spread(values: Sequence[float]) -> Mapping[str, float]:
    """Median, least and most of some rounds."""
    return {"median": float(np.median(values)), "least": min(values), "most": max(values)}
