"""How far the training of a stored sweep is, as any process can read it from the database. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from results_db.records import Position
from results_db.states import State
from search_space import parse_id
from sweep.planning.training_progress import TrainingLedger, TrainingProgress, step_cost
from workers.training.recipe import Recipe


@dataclass(frozen=True)
class StoredProgress:
    """Steps of finished trials and of stored states; the rate is that of the packs that run."""

    progress: TrainingProgress
    """Of all trials but those that failed for good."""
    steps_per_s: float
    left_s: float | None
    """None while nothing runs, or before a running pack has stored its first state."""


def stored_progress(
    recipe: Recipe, configs: Mapping[State, Mapping[str, int]], positions: Sequence[Position]
) -> StoredProgress:
    """``configs``: how many trials of each config are in each state; ``positions``: the stored states."""
    ledger = TrainingLedger()
    number = 0
    at = {state: {name: parse_id(name) for name in names} for state, names in configs.items()}
    for state, names in configs.items():
        if state is State.FAILED:
            continue
        for name, count in names.items():
            config = at[state][name]
            planned = recipe.steps_of(config) * count
            number -= 1  # all trials of a config in a state are one entry; stored states are added below
            ledger.add(number, planned, step_cost(config), planned if state is State.DONE else 0)
    sums = ledger.progress
    steps, work, step_rate, work_rate = sums.steps, sums.work, 0.0, 0.0
    for position in positions:
        cost = step_cost(parse_id(position.config))
        steps, work = steps + position.step, work + position.step * cost
        if position.running and position.saved_at > position.started_at:
            rate = max(0, position.step - position.from_step) / (position.saved_at - position.started_at)
            step_rate, work_rate = step_rate + rate, work_rate + rate * cost
    progress = TrainingProgress(steps, sums.steps_planned, work, sums.work_planned)
    return StoredProgress(progress, step_rate, progress.left_s(work_rate))
