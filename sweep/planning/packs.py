"""Trial keys of a sweep and the packs that train them. Pure functions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from search_space import Config, parse_id
from search_space.facts import TrialKey
from sweep.planning.duration import runs
from sweep.planning.equal_packs import Group, equal_shares
from sweep.planning.training_progress import step_cost

DEFAULT_PACK_SIZE = 48
"""On CPUs. On GPUs the default is a whole scale, cut so that all workers end together: a step of 400 configs takes as
many launches as one of 48. Any other size holds on both."""
SHARES = 3
"""Packs per worker at least, where there are enough trials: a worker that ends early gets another."""


@dataclass(frozen=True, slots=True)
class Item:
    """One trial to run: its id, key and what its next attempt changes."""

    trial: int
    key: TrialKey
    lr_scale: float = 1.0
    own_pack: bool = False
    """Run in a pack of its own: an attempt after a divergence or a lack of memory."""
    exclusive: bool = False
    """Run in a pack of its own, while no other pack runs."""
    plain: bool = False
    """By the reference in plain PyTorch."""
    step: int = 0
    """Training steps in its checkpoint; members of one pack go on from the same step."""
    left: float = 1.0
    """Training steps that are left, or their share where all trials have as many: only ratios matter."""


@dataclass(frozen=True)
class Pack:
    """Trials that train together, and their cost: the multiply-adds of the steps that are left (only ratios matter)."""

    items: tuple[Item, ...]
    cost: float

    @property
    def exclusive(self) -> bool:
        """Whether it starts only when nothing else runs, and nothing is started beside it."""
        return any(item.exclusive for item in self.items)


def trial_keys(
    configs: Iterable[Config], seeds: Sequence[int], recipe: str, data: str, code: Callable[[Config], str]
) -> tuple[TrialKey, ...]:
    """The key of every config and seed; ``code`` gives the digest of what trains a config.

    All configs of the first seed come first: a driver reads the trials in parts, and packs are of one seed.
    """
    inputs = [(config.id, code(config)) for config in configs]
    return tuple(TrialKey(name, seed, recipe, data, digest) for seed in seeds for name, digest in inputs)


def packs(
    items: Iterable[Item],
    pack_size: int | None = None,
    at_least: int = 1,
    on_gpu: bool = False,
    whole: bool = False,
) -> tuple[Pack, ...]:
    """Packs of at most ``pack_size`` members of one scale, seed and step, which share their patches; costliest first.

    ``at_least`` is the number of workers: packs are made smaller so that no worker idles, but not with
    ``whole``. ``pack_size`` None is 48, and on GPUs no limit: packs are as large as they can be for all workers to end
    together.
    """
    groups: dict[tuple[int, int, int], Group[Item]] = defaultdict(list)
    ready: list[Pack] = []
    scales_and_costs: dict[str, tuple[int, float | None]] = {}
    for item in items:
        name = item.key.config
        if name not in scales_and_costs:
            scales_and_costs[name] = parse_id(name).scale, step_cost(parse_id(name)) if runs(name) else None
        scale, per_step = scales_and_costs[name]
        if per_step is None:
            # Its code cannot run: the worker records that, and in a pack of its own no other trial fails.
            ready.append(Pack((replace(item, own_pack=True, plain=True),), 0.0))
            continue
        cost = per_step * item.left
        if item.own_pack or item.exclusive:
            ready.append(Pack((item,), cost))
        else:
            groups[scale, item.key.seed, item.step].append((cost, item))
    for group in groups.values():
        group.sort(key=lambda pair: (-pair[0], pair[1].key.config))
    if whole:
        parts = list(groups.values())
    elif on_gpu and pack_size is None:
        parts = equal_shares(list(groups.values()), max(1, at_least))
    else:
        total = sum(len(group) for group in groups.values())
        size = max(1, min(pack_size or DEFAULT_PACK_SIZE, -(-total // (SHARES * max(1, at_least)))))
        parts = [group[start : start + size] for group in groups.values() for start in range(0, len(group), size)]
    ready += [Pack(tuple(item for _, item in part), sum(cost for cost, _ in part)) for part in parts]
    return tuple(sorted(ready, key=order))


def order(pack: Pack) -> tuple[bool, float]:
    """Sort key: the costliest first, so that no long pack starts last; exclusive packs after all others."""
    return pack.exclusive, -pack.cost


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
    for name, count in Counter(key.config for key in keys).items():
        config = parse_id(name)
        row = by_family.setdefault(config.family, {})
        row[config.scale] = row.get(config.scale, 0) + count
    return Tally(len(keys), done, by_family)
