"""The search itself: ask for a batch, have it evaluated, tell. Knows nothing of training, stores or Ray."""

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

ROUNDS = 5
"""A small budget is split into so many batches, so that a search of 10 trials is not a batch of 8 guesses."""
REPEATS = 50
"""Suggestions in a row that were tried before, after which an untried config is taken at random."""
Facts = Mapping[Objective, float]


class Interrupted(SweepError):
    """The search was stopped by the user; what is done is kept and the next call goes on."""


class Evaluator(Protocol):
    """Turns configs into figures."""

    def evaluate(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """The figures of fully trained configs; a config whose training failed is left out."""

    def screen(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """The same after a short training."""


@dataclass(frozen=True)
class Event:
    """One config's end, for progress."""

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
    listener: Callable[[Event], None] = lambda event: None
    until: float = 0.0
    """Stop when the best untried config is expected to add less than this part of the hypervolume; 0: never."""
    growth: Callable[[Study], float] | None = None
    """That expected part, where the sampler can tell (``FrontierSampler.expected_growth``)."""
    settled: bool = field(default=False, init=False)
    """Whether ``until`` ended the last run before its budget."""
    _allowed: frozenset[Config] = field(init=False)

    def __post_init__(self) -> None:
        self._allowed = frozenset(self.candidates)

    def spent(self) -> int:
        """How many configs this study trained or gave up: what the budget counts. Earlier results are free."""
        return len(self.tried())

    def tried(self) -> list[str]:
        """Their ids, in the order they were asked for."""
        ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        trials = self.study.get_trials(deepcopy=False, states=ended)
        return list(dict.fromkeys(t.user_attrs["config"] for t in trials if t.user_attrs.get("source") == "search"))

    def run(self, budget: int) -> None:
        """Until ``budget`` configs were tried in all, none is left, or ``until`` says that it is enough."""
        waiting = self._left_running()
        self.settled = False
        while self.spent() < budget:
            if not waiting and self.until and self.growth is not None and self.growth(self.study) < self.until:
                self.settled = True
                return
            room = min(at_once(self.batch, budget), budget - self.spent())
            asked = waiting[:room] if waiting else self._ask(room)
            waiting = waiting[len(asked) :]
            if not asked:
                return
            self._settle(asked)

    def _left_running(self) -> list[tuple[int, Config]]:
        """Trials that an interrupted search had asked for: they are evaluated first."""
        out = []
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            config = config_of(self.encoding, trial.params)
            if config in self._allowed and config is not None:
                out.append((trial.number, config))
            else:
                self.study.tell(trial.number, state=TrialState.FAIL)
        return out

    def _ask(self, room: int) -> list[tuple[int, Config]]:
        """Up to ``room`` configs never tried before."""
        known = self._known()
        asked: dict[Config, int] = {}
        repeats = 0
        while len(asked) < room:
            rest = [config for config in self.candidates if config not in known and config not in asked]
            if not rest:
                break
            if repeats >= REPEATS:
                rng = np.random.default_rng([self.seed, len(known), len(asked)])
                self.study.enqueue_trial(self.encoding.encode(rest[int(rng.integers(len(rest)))]) or {})
                repeats = 0
            trial = self.study.ask()
            config = self._suggested(trial)
            if config is None or config in known or config in asked:
                repeats += 1
                values = known.get(config) if config is not None else None
                self.study.tell(trial, values, state=None if values else TrialState.FAIL)
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

    def _known(self) -> dict[Config, tuple[float, ...] | None]:
        """Everything tried: its values, or None where the trial gave none."""
        out: dict[Config, tuple[float, ...] | None] = {}
        for trial in self.study.get_trials(deepcopy=False):
            config = config_of(self.encoding, trial.params)
            if config is not None and trial.state != TrialState.WAITING and "config" in trial.user_attrs:
                values = tuple(trial.values) if trial.state == TrialState.COMPLETE and trial.values else None
                out[config] = values or out.get(config)
        return out

    def _settle(self, asked: Sequence[tuple[int, Config]]) -> None:
        keep = self._screen(asked) if self.screening else list(asked)
        found = self.evaluator.evaluate([config for _, config in keep]) if keep else {}
        for number, config in keep:
            facts = found.get(config)
            if facts is None or any(objective not in facts for objective in self.objectives):
                self.study.tell(number, state=TrialState.FAIL)
                self.listener(Event(config, "fail"))
                continue
            values = tuple(float(facts[objective]) for objective in self.objectives)
            self._constrain(number, facts)
            self.study.tell(number, values)
            self.listener(Event(config, "complete", values))

    def _constrain(self, number: int, facts: Facts) -> None:
        import optuna

        trial = optuna.trial.Trial(self.study, self.study.get_trials(deepcopy=False)[number]._trial_id)
        for bound in self.constraints:
            if bound.objective in facts:
                trial.set_constraint(str(bound), bound.violation(facts[bound.objective]))

    def _screen(self, asked: Sequence[tuple[int, Config]]) -> list[tuple[int, Config]]:
        """Train a little first; give up those that could not reach the frontier even at the best growth seen."""
        import optuna

        quality = next((k for k, o in enumerate(self.objectives) if o.needs_training), None)
        cost = next((k for k, o in enumerate(self.objectives) if not o.needs_training), None)
        if quality is None or cost is None:
            return list(asked)
        q, c = self.objectives[quality], self.objectives[cost]
        complete = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        frontier = [(c.axis(t.values[cost]), q.axis(t.values[quality])) for t in complete if t.values]
        pairs = [(t.user_attrs["short"], q.axis(t.values[quality])) for t in complete if "short" in t.user_attrs]
        expected = growth(pairs)
        short = self.evaluator.screen([config for _, config in asked])
        keep = []
        for number, config in asked:
            facts = short.get(config, {})
            if q in facts and c in facts:
                trial = optuna.trial.Trial(self.study, self.study.get_trials(deepcopy=False)[number]._trial_id)
                trial.set_user_attr("short", q.axis(facts[q]))
                if hopeless(Screened(c.axis(facts[c]), q.axis(facts[q])), frontier, expected):
                    self.study.tell(number, state=TrialState.PRUNED)
                    self.listener(Event(config, "pruned"))
                    continue
            keep.append((number, config))
        return keep


def at_once(batch: int, budget: int) -> int:
    """How many suggestions to ask for together: ``batch``, but a small budget is spent in ``ROUNDS`` rounds.

    >>> at_once(8, 40), at_once(8, 14), at_once(8, 3)
    (8, 3, 1)
    """
    return max(1, min(batch, math.ceil(budget / ROUNDS)))


def frontier_of(study: Study) -> list[tuple[str, tuple[float, ...]]]:
    """Config ids and values of the feasible, undominated trials, best first by the first objective."""
    rows = {
        str(trial.user_attrs.get("config", trial.number)): tuple(trial.values)
        for trial in study.best_trials
        if trial.values is not None
    }
    largest = study.directions[0].name == "MAXIMIZE"
    return sorted(rows.items(), key=lambda row: row[1][0], reverse=largest)
