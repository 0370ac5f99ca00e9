"""The default sampler: suggests the untried config with the largest expected hypervolume improvement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from search_space import Config
from search_space.errors import BadSpace
from sweep.search.encoding import Encoding, config_of
from sweep.search.features import Array, features
from sweep.search.hypervolume import hypervolume
from sweep.search.improvement import by_outcomes, by_scalarisation, with_one_known
from sweep.search.objectives import Constraint, Objective
from sweep.search.surrogate import Surrogate

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

KnownCosts = Callable[[Config], Mapping[Objective, float]]
"""Objectives of a config that are known before it is trained: measured speed, parameters, MACs."""
MIN_TRIALS = 4
"""Finished trials before the model is used; until then the known costs decide."""
KERNELS, MANY_CANDIDATES = 64, 2000
"""Kernels that are averaged; half as many above ``MANY_CANDIDATES``, to save memory and time."""
OPENING_SPREAD = 0.5
"""Assumed scatter of quality around size, in standard deviations over the space, before any quality is known."""
OUTCOMES = 32
"""Draws of each candidate where no closed form applies."""


@dataclass
class _Trials:
    """A study's trials, by candidate index."""

    done: list[int] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    running: list[int] = field(default_factory=list)
    tried: set[int] = field(default_factory=set)
    """Candidates that have a trial in any state."""


class FrontierSampler(BaseSampler):
    """Expected hypervolume improvement over a list of candidates whose costs are known.

    Works for any number of objectives. Those that ``known`` gives for a candidate are taken as they are; the others
    are modelled from the trials so far. A running trial counts as finished with the values that the model expects, so
    that a batch spreads out. Constraints on known values exclude infeasible candidates; on modelled values the
    model's median decides.

    The same seed, candidates and trials give the same suggestion, so an interrupted search goes on as it would have.
    """

    def __init__(
        self,
        encoding: Encoding,
        candidates: Sequence[Config],
        objectives: Sequence[Objective],
        known: KnownCosts | None = None,
        constraints: Sequence[Constraint] = (),
        seed: int = 0,
        draws: int | None = None,
    ) -> None:
        self.encoding = encoding
        self.objectives = tuple(objectives)
        self.constraints = tuple(constraints)
        self.seed = seed
        self._random = RandomSampler(seed)
        facts = [dict(known(config)) if known else {} for config in candidates]
        feasible = [i for i, fact in enumerate(facts) if self._feasible(fact)]
        if not feasible:
            raise BadSpace(f"no config of the space satisfies {', '.join(map(str, self.constraints))}")
        self.candidates = [candidates[i] for i in feasible]
        self._index = {config: i for i, config in enumerate(self.candidates)}
        self.known = np.array(
            [[self._axis(o, facts[i].get(o), candidates[i]) for o in self.objectives] for i in feasible]
        )
        columns = [c for c in self.known.T if np.isfinite(c).all() and np.ptp(c) > 0]
        self._features = features(self.candidates, columns)
        self._models = [
            Surrogate(
                self._features,
                seed=seed,
                draws=draws or (KERNELS if len(self.candidates) <= MANY_CANDIDATES else KERNELS // 2),
                warped=o.needs_training,
                trend=1.0 if o.needs_training else -1.0,
            )
            for o in self.objectives
        ]

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters of all grids: this sampler chooses them jointly."""
        return self.encoding.distributions()

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters of the next config; only those of its own grid."""
        rng = np.random.default_rng([self.seed, trial.number])
        chosen = self.candidates[self.choose(self._read(study, trial.number), rng)]
        return self.encoding.encode(chosen) or {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter that does not belong to this space: drawn at random."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def choose(self, trials: _Trials, rng: np.random.Generator) -> int:
        """Index of the candidate to try next; one that was tried already only when all were."""
        untried = np.array([i for i in range(len(self.candidates)) if i not in trials.tried])
        if not len(untried):
            return int(rng.integers(len(self.candidates)))
        gain = self._gain(trials, untried, rng) if len(trials.done) >= MIN_TRIALS else self._opening(trials)[untried]
        return int(untried[np.argmax(gain)])

    def expected_growth(self, study: Study) -> float:
        """What the best untried config is expected to add, as a fraction of the hypervolume reached so far (two axes).

        Infinite until the model has enough trials, 0 when every candidate was tried.
        """
        trials = self._read(study, -1)
        untried = np.array([i for i in range(len(self.candidates)) if i not in trials.tried])
        if not len(untried):
            return 0.0
        front = np.array(trials.values)
        if len(trials.done) < MIN_TRIALS or not (reached := hypervolume(front, self._reference(front))):
            return float("inf")
        return float(self._gain(trials, untried, np.random.default_rng(self.seed)).max() / reached)

    def _opening(self, trials: _Trials) -> Array:
        """(n,): growth of the hypervolume if quality followed size with some random scatter.

        The first trials then spread over the frontier that the costs alone suggest.
        """
        scatter = OPENING_SPREAD * np.random.default_rng(self.seed).standard_normal(len(self.candidates))
        size = self._features.size
        columns = []
        for objective, known in zip(self.objectives, self.known.T, strict=True):
            if np.isfinite(known).all() and np.ptp(known) > 0:
                columns.append((known - known.mean()) / known.std())
            else:
                columns.append(size + scatter if objective.needs_training else -size)
        assumed = np.stack(columns, axis=1)
        reference = assumed.min(axis=0)
        tried = assumed[sorted(trials.tried)] if trials.tried else reference[None]
        if len(self.objectives) == 2:
            return by_outcomes(assumed[None], tried, reference)
        return by_scalarisation(assumed[None], tried, reference, np.random.default_rng(self.seed))

    def _gain(self, trials: _Trials, untried: NDArray[np.int64], rng: np.random.Generator) -> Array:
        """Expected growth of the hypervolume for each untried candidate."""
        done, values = list(trials.done), [list(v) for v in trials.values]
        unknown = [k for k in range(len(self.objectives)) if not np.isfinite(self.known[:, k]).all()]
        if trials.running:
            medians = {k: self._models[k].posterior(done, [v[k] for v in values]).median() for k in unknown}
            for i in trials.running:
                done.append(i)
                values.append([medians[k][i] if k in medians else self.known[i, k] for k in range(len(values[0]))])
        front = np.array(values)
        beliefs = {k: self._models[k].posterior(done, front[:, k]) for k in unknown}
        reference = self._reference(front)
        if len(self.objectives) == 2 and len(unknown) == 1:
            (k,) = unknown
            order = [1 - k, k]
            gain = with_one_known(self.known[:, 1 - k], beliefs[k], front[:, order], reference[order])
        else:
            outcomes = np.repeat(self.known[None], OUTCOMES, axis=0)
            for k, belief in beliefs.items():
                drawn = belief.sample(rng, OUTCOMES)
                outcomes[:, :, k] = np.where(np.isfinite(self.known[:, k]), outcomes[:, :, k], drawn)
            two = len(self.objectives) == 2
            gain = by_outcomes(outcomes, front, reference) if two else by_scalarisation(outcomes, front, reference, rng)
        for bound in self.constraints:
            if bound.objective in self.objectives:
                k = self.objectives.index(bound.objective)
                if k in beliefs:
                    limit = bound.objective.axis(bound.bound)
                    gain = np.where(beliefs[k].median() >= limit, gain, 0.01 * gain)
        return gain[untried]

    def _reference(self, front: Array) -> Array:
        """The worst value of each axis: over all candidates where it is known for all, else over the trials so far."""
        out = front.min(axis=0) - 0.05 * np.maximum(np.ptp(front, axis=0), 1e-9)
        complete = np.isfinite(self.known).all(axis=0)
        out[complete] = self.known[:, complete].min(axis=0)
        return np.asarray(out)

    def _read(self, study: Study, number: int) -> _Trials:
        out = _Trials()
        for trial in study.get_trials(deepcopy=False):
            config = config_of(self.encoding, trial.params) if trial.number != number else None
            index = self._index.get(config) if config is not None else None
            if index is None or trial.state == TrialState.WAITING:
                continue
            out.tried.add(index)
            if trial.state == TrialState.COMPLETE and trial.values is not None:
                axes = [o.axis(v) for o, v in zip(self.objectives, trial.values, strict=True)]
                if np.isfinite(axes).all():
                    out.done.append(index)
                    out.values.append(axes)
            elif trial.state == TrialState.RUNNING:
                out.running.append(index)
        return out

    def _feasible(self, fact: Mapping[Objective, float]) -> bool:
        return all(bound.violation(fact[bound.objective]) <= 0 for bound in self.constraints if bound.objective in fact)

    def _axis(self, objective: Objective, value: float | None, config: Config) -> float:
        value = objective.free_value(config) if value is None else value
        return float("nan") if value is None else objective.axis(value)
