"""Configs as Optuna parameters: which grid of the space, then that grid's own fields (conditional parameters)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search_space import Config, family_class, parse_id
from search_space.errors import BadSpace, SweepError
from search_space.spaces import Space

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution

CHOICE = "grid"
"""The parameter that chooses a branch; absent where there is only one."""
LISTED = "listed"
"""The branch of configs that a space names one by one."""


@dataclass(frozen=True)
class Branch:
    """One grid: the parameters ``label.field`` exist only when it is chosen."""

    label: str
    family: str
    axes: tuple[tuple[str, tuple[int, ...]], ...]
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Encoding:
    """Converts the configs of one scale to Optuna parameters and back."""

    scale: int
    branches: tuple[Branch, ...]

    def distributions(self) -> dict[str, BaseDistribution]:
        """Every parameter of every branch."""
        from optuna.distributions import CategoricalDistribution

        out: dict[str, BaseDistribution] = {}
        if len(self.branches) > 1:
            out[CHOICE] = CategoricalDistribution([branch.label for branch in self.branches])
        for branch in self.branches:
            if branch.ids:
                out[f"{branch.label}.id"] = CategoricalDistribution(branch.ids)
            for name, values in branch.axes:
                out[f"{branch.label}.{name}"] = _distribution(values)
        return out

    def suggest(self, trial: Trial) -> Config:
        """Ask a trial for its parameters, as any Optuna objective would, and make the config."""
        from optuna.distributions import CategoricalDistribution, IntDistribution

        distributions = self.distributions()

        def suggest(name: str) -> Any:
            distribution = distributions[name]
            if isinstance(distribution, IntDistribution):
                return trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step)
            assert isinstance(distribution, CategoricalDistribution)
            return trial.suggest_categorical(name, distribution.choices)

        label = suggest(CHOICE) if len(self.branches) > 1 else self.branches[0].label
        branch = self._branch(label)
        if branch.ids:
            return parse_id(suggest(f"{label}.id"))
        return self._make(branch, {name: int(suggest(f"{label}.{name}")) for name, _ in branch.axes})

    def decode(self, params: Mapping[str, Any]) -> Config:
        """The config of a trial's parameters. Raises BadSpace when they belong to another space."""
        try:
            label = params[CHOICE] if len(self.branches) > 1 else self.branches[0].label
            branch = self._branch(label)
            if branch.ids:
                return parse_id(params[f"{label}.id"])
            return self._make(branch, {name: int(params[f"{label}.{name}"]) for name, _ in branch.axes})
        except (KeyError, ValueError, TypeError) as error:
            raise BadSpace(f"a trial's parameters do not belong to this space ({error})") from None

    def encode(self, config: Config) -> dict[str, Any] | None:
        """The parameters of a config, or None when no branch makes it."""
        for branch in self.branches:
            start = {CHOICE: branch.label} if len(self.branches) > 1 else {}
            if config.id in branch.ids:
                return {**start, f"{branch.label}.id": config.id}
            if not branch.ids and branch.family == config.family and config.scale == self.scale:
                fields = config.values
                if all(fields[name] in values for name, values in branch.axes):
                    return {**start, **{f"{branch.label}.{name}": fields[name] for name, _ in branch.axes}}
        return None

    def _branch(self, label: str) -> Branch:
        for branch in self.branches:
            if branch.label == label:
                return branch
        raise KeyError(label)

    def _make(self, branch: Branch, values: dict[str, int]) -> Config:
        return family_class(branch.family)(scale=self.scale, **values)


def encoding(space: Space, scale: int, families: Sequence[str] = ()) -> Encoding:
    """The encoding of one scale of a space, for the families chosen (all by default).

    Raises BadSpace when nothing of the space is left.
    """
    chosen = {name.lower() for name in families}
    grids: list[tuple[str, tuple[tuple[str, tuple[int, ...]], ...]]] = []
    ids: list[str] = []
    for part in space.parts:
        if part.grid is not None:
            axes = dict(part.grid.axes)
            if scale in axes.pop("scale") and (not chosen or part.grid.family.lower() in chosen):
                grids.append((part.grid.family, tuple(axes.items())))
        ids += [c.id for c in part.configs if c.scale == scale and (not chosen or c.family.lower() in chosen)]
    counts = Counter(family for family, _ in grids)
    seen: Counter[str] = Counter()
    branches = []
    for family, pairs in grids:
        seen[family] += 1
        branches.append(Branch(family if counts[family] == 1 else f"{family}/{seen[family]}", family, pairs))
    if ids:
        branches.append(Branch(LISTED, "", (), tuple(dict.fromkeys(ids))))
    if not branches:
        raise BadSpace(f"space {space.name!r} has nothing at scale {scale}")
    return Encoding(scale, tuple(branches))


def listed(configs: Iterable[Config]) -> Encoding:
    """An encoding of configs by their fields: one branch per family, with the values that occur as its axes.

    For configs that are no grid it also encodes combinations that are not among them; the search skips those.
    """
    by_family: dict[str, list[Config]] = {}
    for config in configs:
        by_family.setdefault(config.family, []).append(config)
    scales = {config.scale for members in by_family.values() for config in members}
    if len(scales) != 1:
        raise BadSpace(f"a search is of one scale, not of {sorted(scales)}")
    branches = []
    for family, members in by_family.items():
        names = list(members[0].values)
        axes = tuple((name, tuple(sorted({m.values[name] for m in members}))) for name in names)
        branches.append(Branch(family, family, axes))
    return Encoding(scales.pop(), tuple(branches))


def config_of(encoding: Encoding, params: Mapping[str, Any]) -> Config | None:
    """``decode``, but None for a combination that is not possible."""
    try:
        return encoding.decode(params)
    except SweepError:
        return None


def _distribution(values: tuple[int, ...]) -> BaseDistribution:
    """Evenly spaced values are an ordered integer to Optuna; others a choice."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    steps = {b - a for a, b in itertools.pairwise(values)}
    if not steps:
        return IntDistribution(values[0], values[0])
    if len(steps) == 1 and (step := steps.pop()) > 0:
        return IntDistribution(values[0], values[-1], step=step)
    return CategoricalDistribution(values)
