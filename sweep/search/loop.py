"""The search loop: ask the study for a batch, evaluate it, tell the study. Independent of training, stores and Ray."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from optuna.trial import TrialState

from search_space import Config
from search_space.errors import SweepError
from sweep.search import DEFAULT_BATCH
from sweep.search.encoding import Encoding, config_of
from sweep.search.objectives import Constraint, Objective
from sweep.search.screening import Screened, growth, hopeless

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

ROUNDS = 5
"""Batches into which a small budget is split: with 10 trials, a first batch of 8 would be chosen without a model."""
REPEATS = 50
"""Consecutive suggestions of configs tried before, after which an untried config is drawn at random."""
Facts = Mapping[Objective, float]


class Interrupted(SweepError):
    """The user stopped the search; finished trials are kept and the next call goes on."""


class Evaluator(Protocol):
    """Evaluates configs."""

    def evaluate(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """The values of fully trained configs; a config whose training failed is left out."""

    def screen(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """The same after a short training."""


@dataclass(frozen=True)
class SearchEvent:
    """The end of one config's trial, for progress displays."""

    config: Config
    state: str
    """``complete``, ``pruned``, ``fail`` or ``earlier``."""
    values: tuple[float, ...] = ()


@dataclass
class Search:
    """One study of one scale. ``run`` may be called again, also in another process, and goes on."""

    study: Study
    encoding: Encoding
    objectives: tuple[Objective, ...]
    candidates: Sequence[Config]
    evaluator: Evaluator
    constraints: tuple[Constraint, ...] = ()
    batch: int = DEFAULT_BATCH
    screening: bool = False
    seed: int = 0
    listener: Callable[[SearchEvent], None] = lambda event: None
    until: float = 0.0
    """Stop when the best untried config is expected to add less than this fraction of the hypervolume; 0: never."""
    growth: Callable[[Study], float] | None = None
    """That expected fraction, where the sampler estimates it (``FrontierSampler.expected_growth``)."""
    settled: bool = field(default=False, init=False)
    """Whether ``until`` ended the last run before its budget."""
    _allowed: frozenset[Config] = field(init=False)

    def __post_init__(self) -> None:
        self._allowed = frozenset(self.candidates)

    def spent(self) -> int:
        """Configs that count towards the budget: those this study trained or gave up, not earlier results."""
        return len(self.tried())

    def tried(self) -> list[str]:
        """Their ids, in the order in which they were suggested."""
        ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        trials = self.study.get_trials(deepcopy=False, states=ended)
        return list(dict.fromkeys(t.user_attrs["config"] for t in trials if t.user_attrs.get("source") == "search"))

    def run(self, budget: int) -> None:
        """Search until ``budget`` configs were tried in all, none is left, or ``until`` is reached."""
        resumed = self._left_running()
        self.settled = False
        while self.spent() < budget:
            if not resumed and self.until and self.growth is not None and self.growth(self.study) < self.until:
                self.settled = True
                return
            size = min(batch_size(self.batch, budget), budget - self.spent())
            batch = resumed[:size] if resumed else self._ask(size)
            resumed = resumed[len(batch) :]
            if not batch:
                return
            self._evaluate(batch)

    def _left_running(self) -> list[tuple[int, Config]]:
        """Trials that an interrupted search left running: they are evaluated first."""
        out = []
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            config = config_of(self.encoding, trial.params)
            if config in self._allowed and config is not None:
                out.append((trial.number, config))
            else:
                self.study.tell(trial.number, state=TrialState.FAIL)
        return out

    def _ask(self, size: int) -> list[tuple[int, Config]]:
        """Up to ``size`` configs that were never tried."""
        tried = self._tried()
        asked: dict[Config, int] = {}
        repeats = 0
        while len(asked) < size:
            untried = [config for config in self.candidates if config not in tried and config not in asked]
            if not untried:
                break
            if repeats >= REPEATS:
                rng = np.random.default_rng([self.seed, len(tried), len(asked)])
                self.study.enqueue_trial(self.encoding.encode(untried[int(rng.integers(len(untried)))]) or {})
                repeats = 0
            trial = self.study.ask()
            config = self._suggested(trial)
            if config is None or config in tried or config in asked:
                repeats += 1
                self._repeat(trial, tried.get(config) if config is not None else None)
                continue
            repeats = 0
            trial.set_user_attr("config", config.id)
            trial.set_user_attr("source", "search")
            asked[config] = trial.number
        return [(number, config) for config, number in asked.items()]

    def _suggested(self, trial: Trial) -> Config | None:
        try:
            config = self.encoding.suggest(trial)
        except SweepError:
            return None
        return config if config in self._allowed else None

    def _repeat(self, trial: Trial, earlier: FrozenTrial | None) -> None:
        """Tell a suggestion that was tried before what its first trial gave: values and constraints."""
        if earlier is None:
            self.study.tell(trial, state=TrialState.FAIL)
            return
        for name, violation in earlier.constraints.items():
            trial.set_constraint(name, violation)
        self.study.tell(trial, earlier.values)

    def _tried(self) -> dict[Config, FrozenTrial | None]:
        """Every config tried: its trial, or None where none gave values."""
        out: dict[Config, FrozenTrial | None] = {}
        for trial in self.study.get_trials(deepcopy=False):
            config = config_of(self.encoding, trial.params)
            if config is not None and trial.state != TrialState.WAITING and "config" in trial.user_attrs:
                done = trial if trial.state == TrialState.COMPLETE and trial.values else None
                out[config] = done or out.get(config)
        return out

    def _evaluate(self, batch: Sequence[tuple[int, Config]]) -> None:
        kept = self._screen(batch) if self.screening else list(batch)
        results = self.evaluator.evaluate([config for _, config in kept]) if kept else {}
        for number, config in kept:
            facts = results.get(config)
            if facts is None or any(objective not in facts for objective in self.objectives):
                self.study.tell(number, state=TrialState.FAIL)
                self.listener(SearchEvent(config, "fail"))
                continue
            values = tuple(float(facts[objective]) for objective in self.objectives)
            self._constrain(number, facts)
            self.study.tell(number, values)
            self.listener(SearchEvent(config, "complete", values))

    def _constrain(self, number: int, facts: Facts) -> None:
        import optuna

        trial = optuna.trial.Trial(self.study, self.study.get_trials(deepcopy=False)[number]._trial_id)
        for bound in self.constraints:
            if bound.objective in facts:
                trial.set_constraint(str(bound), bound.violation(facts[bound.objective]))

    def _screen(self, batch: Sequence[tuple[int, Config]]) -> list[tuple[int, Config]]:
        """Train briefly first; prune those that could not reach the frontier even with the largest growth seen."""
        import optuna

        quality = next((k for k, o in enumerate(self.objectives) if o.needs_training), None)
        cost = next((k for k, o in enumerate(self.objectives) if not o.needs_training), None)
        if quality is None or cost is None:
            return list(batch)
        q, c = self.objectives[quality], self.objectives[cost]
        complete = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        frontier = [(c.axis(t.values[cost]), q.axis(t.values[quality])) for t in complete if t.values]
        pairs = [(t.user_attrs["short"], q.axis(t.values[quality])) for t in complete if "short" in t.user_attrs]
        expected = growth(pairs)
        short = self.evaluator.screen([config for _, config in batch])
        kept = []
        for number, config in batch:
            facts = short.get(config, {})
            if q in facts and c in facts:
                trial = optuna.trial.Trial(self.study, self.study.get_trials(deepcopy=False)[number]._trial_id)
                trial.set_user_attr("short", q.axis(facts[q]))
                if hopeless(Screened(c.axis(facts[c]), q.axis(facts[q])), frontier, expected):
                    self.study.tell(number, state=TrialState.PRUNED)
                    self.listener(SearchEvent(config, "pruned"))
                    continue
            kept.append((number, config))
        return kept


def batch_size(batch: int, budget: int) -> int:
    """Suggestions per round: ``batch``, but a small budget is spent in ``ROUNDS`` rounds.

    >>> batch_size(8, 40), batch_size(8, 14), batch_size(8, 3)
    (8, 3, 1)
    """
    return max(1, min(batch, math.ceil(budget / ROUNDS)))


def frontier_of(study: Study) -> list[tuple[str, tuple[float, ...]]]:
    """Config ids and values of the feasible, undominated trials, best first by the first objective.

    A config that a sampler suggested again is there once: its further trials have the parameters of the first.
    """
    trials = study.get_trials(deepcopy=False)
    names = {_parameters(trial): str(trial.user_attrs["config"]) for trial in trials if "config" in trial.user_attrs}
    rows = {
        names.get(_parameters(trial), str(trial.number)): tuple(trial.values)
        for trial in study.best_trials
        if trial.values is not None
    }
    largest = study.directions[0].name == "MAXIMIZE"
    return sorted(rows.items(), key=lambda row: row[1][0], reverse=largest)


def _parameters(trial: FrozenTrial) -> frozenset[tuple[str, object]]:
    return frozenset(trial.params.items())
