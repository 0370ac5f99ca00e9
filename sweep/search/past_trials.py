"""A study's trials as a model takes them: candidates by index, values on axes where larger is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import TrialState

from search_space import Config
from sweep.search.encoding import Encoding, config_of
from sweep.search.objectives import Constraint, Objective

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


@dataclass
class PastTrials:
    """Finished and running trials of a study."""

    done: list[int] = field(default_factory=list)
    """Candidates with a finished trial."""
    values: list[list[float]] = field(default_factory=list)
    """Their values: the objectives, then the quantities that are only bounded (NaN where a trial has none)."""
    running: list[int] = field(default_factory=list)
    tried: set[int] = field(default_factory=set)
    """Candidates that have a trial in any state."""


def read_trials(
    study: Study,
    encoding: Encoding,
    index: Mapping[Config, int],
    objectives: Sequence[Objective],
    bounds: Sequence[Constraint] = (),
    without: int = -1,
) -> PastTrials:
    """The trials of the candidates in ``index``; ``without`` is the number of the trial that is being suggested."""
    out = PastTrials()
    for trial in study.get_trials(deepcopy=False):
        config = config_of(encoding, trial.params) if trial.number != without else None
        i = index.get(config) if config is not None else None
        if i is None or trial.state == TrialState.WAITING:
            continue
        out.tried.add(i)
        if trial.state == TrialState.COMPLETE and trial.values is not None:
            axes = [o.axis(v) for o, v in zip(objectives, trial.values, strict=True)]
            if np.isfinite(axes).all():
                out.done.append(i)
                out.values.append([*axes, *(_bounded(trial, bound) for bound in bounds)])
        elif trial.state == TrialState.RUNNING:
            out.running.append(i)
    return out


def _bounded(trial: FrozenTrial, bound: Constraint) -> float:
    """The bounded quantity on its axis, from the violation that the trial holds."""
    violation = trial.constraints.get(str(bound))
    return float("nan") if violation is None else bound.objective.axis(bound.value(violation))
