"""Samplers of other libraries on the tables of benchmarks/replay_heldout.py, with their defaults.

BoTorch chooses among the untried configs, sees fields, family, MACs, parameters and the known costs, and may take the
known costs as deterministic (``-blind``: models every objective that needs measuring). Syne Tune's searcher and
Optuna's GP (``gp-flat``) suggest a family and fields; the nearest untried config of that family is taken, and they are
told which it was. Optuna's GP models only parameters that all trials have, so on the conditional parameters of
``sweep search`` (``--sampler gp``) it would see nothing but the grid.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search_space import Config
from search_space.costs.describe import describe
from sweep.search.features import Array
from sweep.search.loop import batch_size
from sweep.search.objectives import FREE
from sweep.search.replay import Replay
from sweep.search.replay_table import ReplayTable
from sweep.search.samplers import SamplerName

PEERS = ("botorch-qlognehvi", "botorch-qlognehvi-blind", "syne-tune-ehvi", "gp-flat")
INITIAL = 5
"""Random trials before BoTorch's model, as Ax's default generation strategy has."""


def peer(table: ReplayTable, name: str, budget: int, seed: int, batch: int) -> Replay:
    """One search of a peer. Raises ImportError where its library is not installed."""
    warnings.simplefilter("ignore")
    logging.getLogger().setLevel(logging.ERROR)
    configs = list(table.facts)
    kind: Any = {"syne-tune-ehvi": _SyneTune, "gp-flat": _OptunaGP}.get(name, _BoTorch)
    axes = np.array([[o.axis(table.observed[config][o]) for o in table.objectives] for config in configs])
    feasible = [i for i in range(len(configs)) if table.feasible[i]]
    searcher = kind(table, configs, axes, seed, blind=name.endswith("blind"))
    tried: list[int] = []
    began = time.process_time()
    budget = min(budget, len(feasible))
    batch = batch_size(batch, budget)
    while len(tried) < budget:
        free = [i for i in feasible if i not in set(tried)]
        tried += searcher.ask(tried, free, min(batch, budget - len(tried)))
    seconds = time.process_time() - began
    chosen = tuple(configs[i] for i in tried)
    curve = tuple(table.ratio(chosen[: n + 1]) for n in range(len(chosen)))
    return Replay(SamplerName.RANDOM, seed, chosen, curve, seconds / len(tried))


def _columns(configs: Sequence[Config]) -> Array:
    """Family one-hot, logarithms of the fields, MACs and parameters."""
    names = sorted({name for config in configs for name in config.values})
    families = sorted({config.family for config in configs})
    rows = [
        [
            *(float(config.family == family) for family in families),
            *(np.log1p(config.values.get(name, 0)) for name in names),
            np.log(describe(config).macs_full_hd),
            np.log(describe(config).parameters),
        ]
        for config in configs
    ]
    return np.array(rows)


class _BoTorch:
    def __init__(self, table: ReplayTable, configs: list[Config], axes: Array, seed: int, blind: bool) -> None:
        import torch

        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        # Parameters and MACs are arithmetic: nobody is blind to them.
        told = [not blind or o.kind in FREE for o in table.objectives]
        self.known = [t and not o.needs_training for t, o in zip(told, table.objectives, strict=True)]
        columns = np.column_stack([_columns(configs), axes[:, self.known]])
        columns = columns[:, np.ptp(columns, axis=0) > 0]
        self.x = torch.tensor((columns - columns.min(0)) / np.ptp(columns, axis=0))
        self.y = torch.tensor(axes)

    def ask(self, tried: list[int], free: list[int], q: int) -> list[int]:
        if len(tried) < INITIAL:
            count = min(max(q, 1), len(free))
            return [int(i) for i in self.rng.choice(free, count, replace=False)]
        import torch
        from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import GenericDeterministicModel, ModelList, SingleTaskGP
        from botorch.models.transforms import Standardize
        from botorch.optim import optimize_acqf_discrete
        from botorch.utils.multi_objective.hypervolume import infer_reference_point
        from botorch.utils.multi_objective.pareto import is_non_dominated
        from gpytorch.mlls import ExactMarginalLogLikelihood

        # The last column is the row's number, by which the deterministic models look their value up.
        numbered = torch.cat([self.x, torch.arange(len(self.x), dtype=self.x.dtype)[:, None]], dim=1)
        models: list[Any] = []
        for k, known in enumerate(self.known):
            if known:
                column = self.y[:, k]
                models.append(GenericDeterministicModel(lambda x, column=column: column[x[..., -1].long()][..., None]))
            else:
                gp = SingleTaskGP(self.x[tried], self.y[tried][:, [k]], outcome_transform=Standardize(1))
                fit_gpytorch_mll(ExactMarginalLogLikelihood(gp.likelihood, gp))
                models.append(_WithoutNumber(gp))
        seen = self.y[tried]
        reference = infer_reference_point(seen[is_non_dominated(seen)])
        for k, known in enumerate(self.known):
            if known:
                reference[k] = self.y[:, k].min()
        acquisition = qLogNoisyExpectedHypervolumeImprovement(
            ModelList(*models), reference, numbered[tried], prune_baseline=True
        )
        chosen, _ = optimize_acqf_discrete(acquisition, q, numbered[free], unique=True)
        return [int(i) for i in chosen[:, -1]]


def _WithoutNumber(gp: Any) -> Any:
    from botorch.models.model import Model

    class Wrapped(Model):  # type: ignore[misc]
        num_outputs = 1
        batch_shape = gp.batch_shape

        def __init__(self) -> None:
            super().__init__()
            self.gp = gp

        def posterior(self, X: Any, *args: Any, **more: Any) -> Any:
            return self.gp.posterior(X[..., :-1], *args, **more)

    return Wrapped()


class _Flat:
    """Configs as a family and fields that all have: what a sampler without conditional parameters can suggest."""

    def __init__(self, configs: list[Config]) -> None:
        self.configs = configs
        found: dict[str, set[int]] = {}
        for config in configs:
            for name, value in config.values.items():
                found.setdefault(name, set()).add(value)
        self.fields = {name: sorted(values) for name, values in found.items() if len(values) > 1}
        self.families = sorted({config.family for config in configs})

    def nearest(self, suggested: Mapping[str, Any], left: list[int]) -> int:
        """The config of the suggested family, where one is left, whose fields are nearest."""
        same = [i for i in left if self.configs[i].family == suggested.get("family", self.configs[i].family)]
        return min(same or left, key=lambda i: self._distance(self.configs[i], suggested))

    def told(self, index: int, suggested: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of a config; fields that its family lacks are as suggested."""
        config = self.configs[index]
        fields = {name: config.values.get(name, suggested[name]) for name in self.fields}
        return {**fields, "family": config.family} if len(self.families) > 1 else fields

    def _distance(self, config: Config, suggested: Mapping[str, Any]) -> float:
        shared = [name for name in self.fields if name in config.values]
        return sum(abs(np.log1p(config.values[name]) - np.log1p(suggested[name])) for name in shared)


class _OptunaGP:
    def __init__(self, table: ReplayTable, configs: list[Config], axes: Array, seed: int, blind: bool) -> None:
        import optuna
        from optuna.distributions import CategoricalDistribution, IntDistribution

        self.flat, self.axes = _Flat(configs), axes
        self.space: dict[str, Any] = {
            name: IntDistribution(0, len(values) - 1) for name, values in self.flat.fields.items()
        }
        if len(self.flat.families) > 1:
            self.space["family"] = CategoricalDistribution(self.flat.families)
        sampler = optuna.samplers.GPSampler(seed=seed)
        self.study = optuna.create_study(directions=["maximize"] * axes.shape[1], sampler=sampler)

    def ask(self, tried: list[int], free: list[int], q: int) -> list[int]:
        from optuna.trial import TrialState, create_trial

        running: dict[int, int] = {}
        for _ in range(q):
            asked = self.study.ask(self.space)
            suggested = {k: self.flat.fields[k][v] if k in self.flat.fields else v for k, v in asked.params.items()}
            index = self.flat.nearest(suggested, [i for i in free if i not in running.values()])
            self.study.tell(asked, state=TrialState.FAIL)
            told = self.flat.told(index, suggested)
            params = {k: self.flat.fields[k].index(v) if k in self.flat.fields else v for k, v in told.items()}
            self.study.add_trial(create_trial(state=TrialState.RUNNING, params=params, distributions=self.space))
            running[asked.number + 1] = index
        for number, index in running.items():
            self.study.tell(number, [float(value) for value in self.axes[index]])
        return list(running.values())


class _SyneTune:
    def __init__(self, table: ReplayTable, configs: list[Config], axes: Array, seed: int, blind: bool) -> None:
        import torch
        from syne_tune.config_space import choice, ordinal
        from syne_tune.optimizer.schedulers.multiobjective.expected_hyper_volume_improvement import (
            ExpectedHyperVolumeImprovement,
        )

        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float64)
        np.random.seed(seed)
        self.flat, self.axes = _Flat(configs), axes
        space = {name: ordinal(values) for name, values in self.flat.fields.items()}
        if len(self.flat.families) > 1:
            space["family"] = choice(self.flat.families)
        self.searcher = ExpectedHyperVolumeImprovement(space, random_seed=seed)

    def ask(self, tried: list[int], free: list[int], q: int) -> list[int]:
        out: list[int] = []
        for _ in range(q):
            suggested = dict(self.searcher.suggest())
            index = self.flat.nearest(suggested, [i for i in free if i not in out])
            self.searcher.trial_configs[len(self.searcher.trial_configs) - 1] = self.flat.told(index, suggested)
            out.append(index)
        first = len(self.searcher.trial_configs) - len(out)
        for number, index in enumerate(out, first):
            told = self.searcher.trial_configs[number]
            self.searcher.on_trial_complete(number, told, [float(-v) for v in self.axes[index]])
        return out
