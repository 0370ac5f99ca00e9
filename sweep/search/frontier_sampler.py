"""The default sampler: suggests the untried config with the largest expected hypervolume improvement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler

from search_space import Config
from search_space.errors import BadSpace
from sweep.search.axis import Axis
from sweep.search.encoding import Encoding
from sweep.search.features import Array, cost_features, features
from sweep.search.hypervolume import hypervolume
from sweep.search.improvement import MOST_CELLS, by_cells, by_scalarisation, cells, excess_of_known, undominated
from sweep.search.objectives import Constraint, Objective
from sweep.search.past_trials import PastTrials, read_trials
from sweep.search.surrogate import DOUBT, Posterior, Prior, Surrogate

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

KnownCosts = Callable[[Config], Mapping[Objective, float]]
"""Objectives of a config that are known before it is trained: measured speed, parameters, MACs."""
MIN_TRIALS = 4
"""Finished trials before the model is used; until then the known costs decide."""
KERNELS, MANY_CANDIDATES = 64, 2000
"""Kernels that are averaged; half as many above ``MANY_CANDIDATES``, to save memory and time."""
OPENING_SPREAD = 0.1
"""Assumed scatter of quality around size, in standard deviations over the space, before any quality is known."""
COST_PRIOR = Prior(noise=0.06, noise_spread=1.5, doubt=DOUBT)
"""Of an unknown cost: how far configs deviate from a smooth function differs most from device to device, and exploring
for it does not pay."""
OUTCOMES = 32
"""Draws of each candidate where the frontier is too large for the exact growth."""


class FrontierSampler(BaseSampler):
    """Expected hypervolume improvement over a list of candidates whose costs are known.

    Works for any number of objectives. Those that ``known`` gives for a candidate are taken as they are; the others
    are modelled from the trials so far. A running trial counts as finished with the values that the model expects, so
    that a batch spreads out. Constraints on known values exclude infeasible candidates; on modelled values the
    growth counts by the probability that they are kept.

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
        facts = [self._facts(config, known) for config in candidates]
        feasible = [i for i, fact in enumerate(facts) if self._feasible(fact)]
        if not feasible:
            raise BadSpace(f"no config of the space satisfies {', '.join(map(str, self.constraints))}")
        self.candidates = [candidates[i] for i in feasible]
        self._index = {config: i for i, config in enumerate(self.candidates)}
        self._bounds = tuple(bound for bound in self.constraints if bound.objective not in self.objectives)
        self._quantities = (*self.objectives, *(bound.objective for bound in self._bounds))
        self._known = np.array([[_axis(o, facts[i]) for o in self._quantities] for i in feasible])
        told = self._known[:, : len(self.objectives)].T
        columns = [column for column in told if np.isfinite(column).all() and np.ptp(column) > 0]
        self._features = features(self.candidates, columns)
        self._cost_features = cost_features(self.candidates) or self._features
        self._models = [
            Surrogate(
                self._features if quantity.needs_training else self._cost_features,
                seed=seed,
                draws=draws or (KERNELS if len(self.candidates) <= MANY_CANDIDATES else KERNELS // 2),
                warped=quantity.needs_training,
                trend=1.0 if quantity.needs_training else -1.0,
                prior=Prior() if quantity.needs_training else COST_PRIOR,
            )
            for quantity in self._quantities
        ]
        self._last: tuple[tuple[tuple[int, ...], bytes], Array] | None = None

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

    def choose(self, trials: PastTrials, rng: np.random.Generator) -> int:
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
        if len(trials.done) < MIN_TRIALS:
            return float("inf")
        values = np.array(trials.values)
        front, reference = values[self._kept(values), : len(self.objectives)], self._reference(trials)
        if not (reached := hypervolume(front, reference)):
            return float("inf")
        return float(self._gain(trials, untried, np.random.default_rng(self.seed)).max() / reached)

    def _opening(self, trials: PastTrials) -> Array:
        """(n,): growth of the hypervolume if quality followed size with some random scatter.

        The first trials then spread over the frontier that the costs alone suggest.
        """
        rng = np.random.default_rng(self.seed)
        scatter = OPENING_SPREAD * rng.standard_normal(len(self.candidates))
        size = self._features.size
        columns = []
        for objective, known in zip(self.objectives, self._known.T, strict=False):
            if np.isfinite(known).all() and np.ptp(known) > 0:
                columns.append((known - known.mean()) / known.std())
            else:
                columns.append(size + scatter if objective.needs_training else -self._cost_features.size)
        assumed = np.stack(columns, axis=1)
        tried = assumed[sorted(trials.tried)]
        return by_cells([excess_of_known(column) for column in assumed.T], tried, assumed.min(axis=0))

    def _gain(self, trials: PastTrials, untried: NDArray[np.int64], rng: np.random.Generator) -> Array:
        """(untried,): expected growth of the hypervolume by candidates that keep the constraints."""
        done, values = self._with_running(trials)
        axes = [
            Axis(known[untried], belief.of(untried) if (belief := self._belief(k, done, values)) else None)
            for k, known in enumerate(self._known.T)
        ]
        objectives = axes[: len(self.objectives)]
        front = values[self._kept(values), : len(objectives)]
        reference = self._reference(trials)
        front = undominated(front[(front > reference).all(axis=1)])
        if cells(front) <= MOST_CELLS:
            growth = by_cells([axis.excess for axis in objectives], front, reference)
        else:
            outcomes = np.stack([axis.sample(rng, OUTCOMES) for axis in objectives], axis=2)
            growth = by_scalarisation(outcomes, front, reference, rng)
        for bound in self.constraints:
            axis = axes[self._quantities.index(bound.objective)]
            if axis.belief is not None:
                growth = growth * axis.above(bound.objective.axis(bound.bound))
        return growth

    def _with_running(self, trials: PastTrials) -> tuple[list[int], Array]:
        """Finished and running trials; a running one has the values that the models expect of it."""
        expected = self._expected_of(trials)[trials.running]
        return [*trials.done, *trials.running], np.vstack([np.array(trials.values), expected])

    def _expected_of(self, trials: PastTrials) -> Array:
        """``_medians`` after the finished trials, the same for all of a batch."""
        values = np.array(trials.values)
        key = tuple(trials.done), values.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, self._medians(trials.done, values)
        return self._last[1]

    def _medians(self, done: list[int], values: Array) -> Array:
        """(n, quantities): what is known of each candidate, and what the models expect of the rest."""
        columns = []
        for k, known in enumerate(self._known.T):
            belief = self._belief(k, done, values)
            columns.append(known if belief is None else np.where(np.isfinite(known), known, belief.median()))
        return np.stack(columns, axis=1)

    def _belief(self, k: int, done: list[int], values: Array) -> Posterior | None:
        """What the model of quantity k expects of all candidates; None where all are known or no trial has a value."""
        seen = np.flatnonzero(np.isfinite(values[:, k]))
        if np.isfinite(self._known[:, k]).all() or not len(seen):
            return None
        return self._models[k].posterior([done[i] for i in seen], values[seen, k])

    def _kept(self, values: Array) -> NDArray[np.bool_]:
        """Which trials keep the constraints, as far as their values are there."""
        kept = np.ones(len(values), dtype=bool)
        for bound in self.constraints:
            kept &= ~(values[:, self._quantities.index(bound.objective)] < bound.objective.axis(bound.bound))
        return kept

    def _reference(self, trials: PastTrials) -> Array:
        """The worst value of each axis: of a cost, over the candidates; of quality, a little below the trials so far.

        A cost that is not known is expected; without that, a config slower than all that were tried would add nothing.
        """
        count = len(self.objectives)
        front, expected = np.array(trials.values)[:, :count], self._expected_of(trials)
        lowest = front.min(axis=0) - 0.05 * np.maximum(np.ptp(front, axis=0), 1e-9)
        worst = expected[kept if (kept := self._kept(expected)).any() else slice(None), :count].min(axis=0)
        complete = np.isfinite(self._known[:, :count]).all(axis=0)
        costs = np.array([not objective.needs_training for objective in self.objectives])
        reference: Array = np.where(complete, worst, np.where(costs, np.minimum(worst, lowest), lowest))
        return reference

    def _read(self, study: Study, number: int) -> PastTrials:
        return read_trials(study, self.encoding, self._index, self.objectives, self._bounds, number)

    def _facts(self, config: Config, known: KnownCosts | None) -> Mapping[Objective, float]:
        """Arithmetic tells parameters and MACs of any config; ``known`` tells what was measured."""
        quantities = (*self.objectives, *(bound.objective for bound in self.constraints))
        free = {o: value for o in quantities if (value := o.free_value(config)) is not None}
        return {**free, **(known(config) if known else {})}

    def _feasible(self, fact: Mapping[Objective, float]) -> bool:
        return all(bound.violation(fact[bound.objective]) <= 0 for bound in self.constraints if bound.objective in fact)


def _axis(objective: Objective, facts: Mapping[Objective, float]) -> float:
    return objective.axis(facts[objective]) if objective in facts else float("nan")
