"""What is to be done: trial keys of a sweep and the packs that carry them out. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from search_space import Config, parse_id
from search_space.describe import describe
from search_space.facts import TrialKey

DEFAULT_PACK_SIZE = 48
SHARES = 3
"""Packs a worker gets at least, where there are trials enough: a worker that is done early finds another."""


@dataclass(frozen=True)
class Item:
    """One trial to run: its id, key and what its next attempt changes."""

    trial: int
    key: TrialKey
    lr_scale: float = 1.0
    alone: bool = False
    """Run in a pack of its own: an attempt after a divergence or a lack of memory."""
    solo: bool = False
    """Run alone, and while nothing else does."""


@dataclass(frozen=True)
class Pack:
    """Trials that train together, and their cost in multiply-adds a step (only ratios matter)."""

    items: tuple[Item, ...]
    cost: float

    @property
    def solo(self) -> bool:
        """Whether it waits until nothing else runs, and nothing is started beside it."""
        return any(item.solo for item in self.items)

    @property
    def scale(self) -> int:
        """The scale all members share."""
        return parse_id(self.items[0].key.config).scale


def trial_keys(
    configs: Iterable[Config], seeds: Sequence[int], recipe: str, data: str, code: Callable[[Config], str]
) -> tuple[TrialKey, ...]:
    """The key of every config and seed, configs in order; ``code`` gives the digest of what trains a config."""
    return tuple(TrialKey(config.id, seed, recipe, data, code(config)) for config in configs for seed in seeds)


def packs(items: Iterable[Item], pack_size: int = DEFAULT_PACK_SIZE, at_least: int = 1) -> tuple[Pack, ...]:
    """Packs of at most ``pack_size`` members of one scale and seed, which share their patches; the costliest first.

    ``at_least`` is the number of workers: packs are made smaller so that none of them idles.
    """
    groups: dict[tuple[int, int], list[tuple[float, Item]]] = defaultdict(list)
    ready: list[Pack] = []
    for item in items:
        config = parse_id(item.key.config)
        cost = float(describe(config).macs_full_hd)
        if item.alone or item.solo:
            ready.append(Pack((item,), cost))
        else:
            groups[config.scale, item.key.seed].append((cost, item))
    total = sum(len(group) for group in groups.values())
    size = max(1, min(pack_size, -(-total // (SHARES * max(1, at_least)))))
    for group in groups.values():
        group.sort(key=lambda pair: (-pair[0], pair[1].key.config))
        for start in range(0, len(group), size):
            part = group[start : start + size]
            ready.append(Pack(tuple(item for _, item in part), sum(cost for cost, _ in part)))
    return tuple(sorted(ready, key=order))


def order(pack: Pack) -> tuple[bool, float]:
    """The costliest first, so that none is left when the others are done; those that run by themselves last."""
    return pack.solo, -pack.cost


@dataclass(frozen=True)
class Tally:
    """The plan in numbers, for people: how many configs by family and scale, and how many are done."""

    planned: int
    done: int
    by_family: Mapping[str, Mapping[int, int]]

    @property
    def missing(self) -> int:
        """Trials still without a result."""
        return self.planned - self.done


def tally(keys: Sequence[TrialKey], done: int) -> Tally:
    """Count configs by family and scale."""
    by_family: dict[str, dict[int, int]] = {}
    for key in keys:
        config = parse_id(key.config)
        row = by_family.setdefault(config.family, {})
        row[config.scale] = row.get(config.scale, 0) + 1
    return Tally(len(keys), done, by_family)
