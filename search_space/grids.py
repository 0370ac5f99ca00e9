"""A grid: one family and a list of values for each of its fields; a space is a union of grids."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from search_space.config import SCALES, Config
from search_space.errors import BadConfig, BadSpace
from search_space.registry import family_class


@dataclass(frozen=True)
class Grid:
    """All combinations of the values given for a family's fields, the last field turning fastest.

    ``axes`` holds ``scale`` and every field of the family, in the order of the id. ``origin`` says
    where it was written (``file:line``); ``lines`` the line of each (field, value) in that file.
    """

    family: str
    axes: tuple[tuple[str, tuple[int, ...]], ...]
    origin: str = ""
    lines: Mapping[tuple[str, int], int] | None = None

    @property
    def size(self) -> int:
        """Number of combinations."""
        return math.prod(len(values) for _, values in self.axes)

    def configs(self) -> Iterator[Config]:
        """Every config in grid order. Raises BadSpace at the line of the value that is not possible."""
        cls = family_class(self.family)
        names = [name for name, _ in self.axes]
        for combination in itertools.product(*(values for _, values in self.axes)):
            yield self._make(cls, dict(zip(names, combination, strict=True)))

    def check(self) -> None:
        """Build every value once beside the first values of the other fields: no product needed."""
        cls = family_class(self.family)
        first = {name: values[0] for name, values in self.axes}
        for name, values in self.axes:
            for value in values:
                self._make(cls, {**first, name: value})

    def draw(self, rng: random.Random) -> Config:
        """One config, uniformly."""
        return self._make(family_class(self.family), {name: rng.choice(values) for name, values in self.axes})

    def _make(self, cls: type[Config], values: dict[str, int]) -> Config:
        try:
            return cls(**values)
        except BadConfig as error:
            raise BadSpace(f"{self._place(error.field, values)}{error}") from None

    def _place(self, name: str, values: dict[str, int]) -> str:
        if not self.origin:
            return ""
        line = (self.lines or {}).get((name, values.get(name, 0)))
        return f"{self.origin.rsplit(':', 1)[0]}:{line}: " if line else f"{self.origin}: "


def grid(family: str, scale: Sequence[int] = SCALES, **values: Sequence[int]) -> Grid:
    """A grid written in Python.

    Raises BadSpace for a field the family does not have or one that is missing.

    >>> some = grid("eSR-TM", scale=(2, 4), K=(3, 5), C=range(1, 9))
    >>> some.size, next(some.configs()).id
    (32, 'eSR-TM_s2_K3_C1')
    """
    return make_grid(family, {"scale": tuple(scale), **{k: tuple(v) for k, v in values.items()}})


def make_grid(
    family: str,
    values: Mapping[str, tuple[int, ...]],
    origin: str = "",
    lines: Mapping[tuple[str, int], int] | None = None,
) -> Grid:
    """A grid from unordered axes: checks the names, refuses an empty or repeating list, sorts by id order."""
    at = f"{origin}: " if origin else ""
    try:
        cls = family_class(family)
    except BadConfig as error:
        raise BadSpace(f"{at}{error}") from None
    names = [f.name for f in fields(cls)]
    surplus = [name for name in values if name not in names]
    if surplus:
        raise BadSpace(f"{at}{family} has no field {surplus[0]!r} (its fields: {', '.join(names)})")
    missing = [name for name in names if name not in values]
    if missing:
        raise BadSpace(f"{at}{family} needs values for {', '.join(missing)}")
    for name, listed in values.items():
        if not listed:
            raise BadSpace(f"{at}{family}: the list of {name} is empty")
        counts = Counter(value for value in listed if isinstance(value, int))
        repeated = next((value for value, count in counts.items() if count > 1), None)
        if repeated is not None:
            raise BadSpace(f"{at}{family}: {name} = {repeated} is listed twice")
    axes = tuple((name, tuple(values[name])) for name in names)
    return Grid(family, axes, origin, lines)


@dataclass(frozen=True)
class Part:
    """One entry of a space: a grid, perhaps with a filter, or configs written out."""

    grid: Grid | None = None
    where: str | None = None
    configs: tuple[Config, ...] = ()
    origin: str = ""

    @property
    def size(self) -> int:
        """Configs at most (before the filter)."""
        return self.grid.size if self.grid else len(self.configs)
