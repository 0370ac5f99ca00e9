"""How long training what is missing will take: some packs of the plan are really trained for a moment and measured.

Packs are timed as workers will train them, with the engine they will have, and their members measured as workers will
measure them. Between the probed packs of one scale the seconds are interpolated by cost.
"""

from __future__ import annotations

import heapq
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import torch

from search_space import parse_id
from search_space.config import Config
from search_space.costs.describe import describe
from sweep.planning.data import Data
from sweep.planning.packs import Pack
from sweep.planning.training_progress import step_cost
from workers.data.image_set import ImageSet
from workers.packs.engine import Member
from workers.packs.train import train_pack
from workers.quality.protocol import evaluate
from workers.training.recipe import Recipe
from workers.training.train import initial_module

PROBE_S = 0.6
"""How long the steps of one pack are timed."""
STEPS = 60
"""The most steps that are timed of one pack."""
SIDE = 192
"""Of the image that one network is measured on."""


@dataclass(frozen=True)
class PackTime:
    """Seconds of one worker for one pack."""

    start: float
    """Until the first step is done: compiling, first weights, patches."""
    step: float
    members: int


class _Enough(Exception):
    """The probe has seen what it wants."""


def wall_seconds(todo: Sequence[Pack], recipe: Recipe, data: Data, workers: int) -> float:
    """Seconds until ``workers`` workers of one thread have trained and measured all packs of ``todo``."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = _pack_seconds(todo, recipe, data)
    finally:
        torch.set_num_threads(threads)
    return makespan(times, workers)


def makespan(seconds: Sequence[float], workers: int) -> float:
    """When the last of the jobs ends, each given in order to the worker that is free first.

    >>> makespan([3.0, 2.0, 2.0], 2)
    4.0
    """
    ends = [0.0] * max(1, workers)
    for job in seconds:
        heapq.heappush(ends, heapq.heappop(ends) + job)
    return max(ends)


def _pack_seconds(todo: Sequence[Pack], recipe: Recipe, data: Data) -> list[float]:
    of_scale: dict[int, list[Pack]] = defaultdict(list)
    for pack in todo:
        of_scale[_configs(pack)[0].scale].append(pack)
    probed: dict[int, list[tuple[float, PackTime]]] = {}
    measuring: dict[int, tuple[float, float]] = {}
    for scale, some in of_scale.items():
        ends = {id(pack): pack for pack in (some[0], some[len(some) // 2], some[-1])}.values()
        probed[scale] = sorted(((_cost(pack), time_pack(pack, recipe, data.train)) for pack in ends), key=_first)
        configs = sorted({c.id: c for pack in some for c in _configs(pack)}.values(), key=step_cost)
        measuring[scale] = _measuring(configs[0], configs[-1], data.tests)
    return [_seconds(pack, recipe, probed, measuring) for pack in todo]


def _first(pair: tuple[float, PackTime]) -> float:
    return pair[0]


def _seconds(
    pack: Pack,
    recipe: Recipe,
    probed: Mapping[int, Sequence[tuple[float, PackTime]]],
    measuring: Mapping[int, tuple[float, float]],
) -> float:
    configs = _configs(pack)
    scale, cost = configs[0].scale, _cost(pack)
    points = probed[scale]
    member_start = interpolated([(at, known.start / known.members) for at, known in points], cost)
    step = interpolated([(at, known.step) for at, known in points], cost)
    # Families may have fewer steps than others: a pack's step costs less once they are done.
    steps = sum(recipe.steps_of(config) * step_cost(config) for config in configs if _trains(config)) / max(cost, 1e-9)
    base, slope = measuring[scale]
    return member_start * len(configs) + step * steps + sum(base + slope * step_cost(config) for config in configs)


def interpolated(points: Sequence[tuple[float, float]], at: float) -> float:
    """The value at ``at`` on the line through the two ``points`` (sorted) around it, or through the two nearest.

    >>> interpolated([(0.0, 1.0), (10.0, 3.0)], 5.0), interpolated([(4.0, 2.0)], 9.0)
    (2.0, 2.0)
    """
    places = [x for x, _ in points]
    if len(set(places)) < 2:
        return points[0][1]
    right = next((i for i, x in enumerate(places) if x >= at and i), len(points) - 1)
    (x0, y0), (x1, y1) = points[right - 1], points[right]
    if x1 == x0:
        return y1
    return max(min(y0, y1) * 0.1, y0 + (y1 - y0) * (at - x0) / (x1 - x0))


def time_pack(pack: Pack, recipe: Recipe, images: ImageSet) -> PackTime:
    """Train a pack for a moment, as a worker would."""
    members = [Member(parse_id(item.key.config), item.key.seed) for item in pack.items]
    marks = [time.perf_counter()]

    def seen(step: int) -> None:
        marks.append(time.perf_counter())
        if len(marks) > STEPS or (len(marks) > 3 and marks[-1] - marks[1] > PROBE_S):
            raise _Enough

    with suppress(_Enough):
        train_pack(members, recipe, images, progress=seen)
    steps = [after - before for before, after in pairwise(marks[1:])]
    start = marks[1] - marks[0] if len(marks) > 1 else 0.0
    return PackTime(start, sum(steps) / len(steps) if steps else 0.0, len(members))


def _measuring(cheap: Config, costly: Config, tests: Sequence[ImageSet]) -> tuple[float, float]:
    """Seconds to measure one network on all test images: a constant and a share per ``step_cost``."""
    if not tests:
        return 0.0, 0.0
    pixels = tests[0].pixels[0][:SIDE, :SIDE]
    crop = ImageSet("probe", ("crop",), (pixels,))
    share = sum(image.shape[0] * image.shape[1] for images in tests for image in images.pixels) / (
        pixels.shape[0] * pixels.shape[1]
    )
    low, high = (_evaluation(config, crop) * share for config in (cheap, costly))
    x0, x1 = step_cost(cheap), step_cost(costly)
    slope = max(0.0, (high - low) / (x1 - x0)) if x1 > x0 else 0.0
    return low - slope * x0 if slope else low, slope


def _evaluation(config: Config, images: ImageSet) -> float:
    module = initial_module(config, 0)
    evaluate(config, module, images)
    began = time.perf_counter()
    evaluate(config, module, images)
    return time.perf_counter() - began


def _configs(pack: Pack) -> list[Config]:
    return [parse_id(item.key.config) for item in pack.items]


def _trains(config: Config) -> bool:
    return config.family != "Bicubic" and describe(config).parameters > 0


def _cost(pack: Pack) -> float:
    return sum(step_cost(config) for config in _configs(pack) if _trains(config))
