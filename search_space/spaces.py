"""Spaces by name or file, and the choice of some of their configs."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from search_space.config import SCALES, Config
from search_space.errors import BadSpace
from search_space.filters import where as read_where
from search_space.grids import Part
from search_space.presets import by_name
from search_space.registry import families

ENUMERABLE = 2_000_000
"""Configs up to which a space is listed as a whole; a larger one can only be sampled."""


@dataclass(frozen=True)
class Space:
    """A named union of grids. ``configs`` lists it; ``draw`` samples one too large to list."""

    name: str
    parts: tuple[Part, ...]

    @cached_property
    def size(self) -> int:
        """Number of combinations, before the filters of a file."""
        return sum(part.size for part in self.parts)

    @cached_property
    def configs(self) -> tuple[Config, ...]:
        """Every config once, in grid order. Raises BadSpace for repeats and for spaces too large to list."""
        if self.size > ENUMERABLE:
            raise BadSpace(
                f"space {self.name!r} has {self.size:,} combinations (at most {ENUMERABLE:,} can be listed): "
                "narrow its values, or let 'sweep search' sample it"
            )
        first: dict[Config, str] = {}
        for part in self.parts:
            for config in _configs(part):
                if config in first:
                    raise BadSpace(_twice(part.origin, config, first[config]))
                first[config] = part.origin
        return tuple(first)

    def draw(self, n: int, seed: int = 0) -> tuple[Config, ...]:
        """Up to ``n`` different configs, uniform over the combinations, without listing the space.

        Returns fewer when the space (or what its filters leave) is that small.
        """
        rng = random.Random(seed)
        weights = [part.size for part in self.parts]
        tests = [read_where(part.where) if part.where else None for part in self.parts]
        drawn: dict[Config, None] = {}
        for _ in range(20 * n + 100):
            if len(drawn) >= n:
                break
            (index,) = rng.choices(range(len(self.parts)), weights)
            part = self.parts[index]
            config = part.grid.draw(rng) if part.grid else rng.choice(part.configs)
            test = tests[index]
            if test is None or test(config):
                drawn[config] = None
        return tuple(drawn)


def load_space(name_or_path: str | Path) -> Space:
    """A preset (``demo``, ``paper``, ``extended``, a family's name) or a YAML or Python space file.

    **A Python file is run**, and so is one that a YAML file imports.

    Args:
        name_or_path: The preset's name, or the path of a ``.yaml``, ``.yml`` or ``.py`` file.

    Returns:
        A ``Space``: ``name``, ``size`` (combinations), ``configs`` (every config once, in grid order) and
        ``draw(n, seed)`` for spaces that are too large to list.

    Raises:
        BadSpace: There is no such space, or its file is wrong; the message names file and line.

    Example:
        >>> paper = load_space("paper")
        >>> paper.size, paper.configs[100].id
        (1185, 'eSR-MAX_s4_K3_C2')
    """
    name_or_path = str(name_or_path)
    presets = by_name()
    grids = presets.get(name_or_path.lower())
    if grids is not None:
        return Space(name_or_path.lower(), tuple(Part(grid) for grid in grids))
    path = Path(name_or_path)
    try:
        is_file = path.is_file()
    except (OSError, ValueError):
        is_file = False
    suffix = path.suffix.lower()
    if not is_file:
        if suffix in (".yaml", ".yml", ".py"):
            raise BadSpace(f"there is no space file {name_or_path!r}")
        raise BadSpace(f"unknown space {name_or_path[:80]!r} (presets: {', '.join(presets)}; or a .yaml or .py file)")
    if suffix not in (".yaml", ".yml", ".py"):
        raise BadSpace(f"{path}: a space file ends in .yaml or .py")
    from search_space.space_file import read_python, read_yaml

    name, parts = read_python(path) if suffix == ".py" else read_yaml(path)
    space = Space(name, parts)
    if space.size <= ENUMERABLE and not space.configs:
        raise BadSpace(f"{path}: no config is left by its filters")
    return space


def select(
    configs: Iterable[Config],
    family: Sequence[str] = (),
    scale: Sequence[int] = (),
    where: str | None = None,
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> tuple[Config, ...]:
    """The configs that pass every filter, in their order; then ``sample`` of them, then the first ``limit``.

    A sample is stratified: each (family, scale) gets its share, to within one config.
    Raises BadSpace for an unknown family, a scale that does not exist, or a filter that cannot be read.

    >>> [config.id for config in select(load_space("paper").configs, ["eSR-MAX"], [2], "K==3", limit=2)]
    ['eSR-MAX_s2_K3_C1', 'eSR-MAX_s2_K3_C2']
    """
    names = _family_names(family)
    for value in scale:
        if value not in SCALES:
            raise BadSpace(f"scale {value} is not possible (choose from {', '.join(map(str, SCALES))})")
    for label, count in (("--limit", limit), ("--sample", sample)):
        if count is not None and count < 0:
            raise BadSpace(f"{label} {count}: must not be negative")
    test = read_where(where) if where is not None else None
    kept = [
        config
        for config in configs
        if (not names or config.family in names)
        and (not scale or config.scale in scale)
        and (test is None or test(config))
    ]
    if sample is not None and sample < len(kept):
        kept = _stratified(kept, sample, seed)
    return tuple(kept if limit is None else kept[:limit])


def _family_names(asked: Sequence[str]) -> set[str]:
    by_lower_case = {name.lower(): name for name in families()}
    out = set()
    for name in asked:
        if name.lower() not in by_lower_case:
            raise BadSpace(f"unknown family {name[:40]!r} (known: {', '.join(by_lower_case.values())})")
        out.add(by_lower_case[name.lower()])
    return out


def _stratified(configs: Sequence[Config], n: int, seed: int) -> list[Config]:
    """``n`` configs, shared over (family, scale) by largest remainder, in their first order."""
    strata: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, config in enumerate(configs):
        strata[config.family, config.scale].append(index)
    rng = random.Random(seed)
    exact = {key: n * len(members) / len(configs) for key, members in strata.items()}
    share = {key: int(value) for key, value in exact.items()}
    ties = sorted(strata, key=lambda key: (share[key] - exact[key], rng.random()))
    for key in ties[: n - sum(share.values())]:
        share[key] += 1
    chosen = sorted(i for key, members in strata.items() for i in rng.sample(members, share[key]))
    return [configs[i] for i in chosen]


def _configs(part: Part) -> Iterator[Config]:
    test = read_where(part.where) if part.where else None
    for config in part.grid.configs() if part.grid else part.configs:
        if test is None or test(config):
            yield config


def _twice(origin: str, config: Config, first: str) -> str:
    at = f"{origin}: " if origin else ""
    return f"{at}{config.id} is made a second time" + (f" (first at {first})" if first else "")
