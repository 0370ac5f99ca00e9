"""Quality that no attempt of ours measured: published values, and weights evaluated again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from results_db.connection import clock
from results_db.records import Added, Source
from results_db.schema import quality, trial
from results_db.states import State, TransitionError, TrialEvent, next_state
from results_db.tables.leases import chunks
from results_db.tables.outcomes import write_quality
from results_db.tables.planned_trials import plan, trial_ids
from results_db.tables.speeds import measure_ids
from search_space.errors import StoreError
from search_space.facts import Quality, TrialKey


def add(
    connection: Connection,
    sweep_number: int,
    qualities: Sequence[Quality],
    source: Source,
    label: str,
    parameters: Mapping[str, int],
) -> Added:
    """See ``Store.add_qualities``."""
    by_config: dict[str, list[Quality]] = {}
    for fact in qualities:
        by_config.setdefault(fact.config, []).append(fact)
    keys = {config: TrialKey(config, 0, label, label, label) for config in by_config}
    plan(connection, sweep_number, keys.values(), source)
    ids = trial_ids(connection, keys.values())
    _complete(connection, {ids[key]: parameters.get(config) for config, key in keys.items()})
    return add_to_trials(connection, [(ids[keys[config]], of_config) for config, of_config in by_config.items()])


def _complete(connection: Connection, parameters: Mapping[int, int | None]) -> None:
    """Make the trials with these ids done, with the parameter count given for each; raises StoreError where one cannot.

    A trial that is done already stays as it is.
    """
    at = clock.now(connection)
    changes: list[dict[str, Any]] = []
    for some in chunks(parameters):
        query = select(trial.c.id, trial.c.config, trial.c.state).where(trial.c.id.in_(some))
        for number, config, state in connection.execute(query.order_by(trial.c.id).with_for_update()):
            if State(state) is State.DONE:
                continue
            try:
                after = next_state(State(state), TrialEvent.COMPLETE)
            except TransitionError as error:
                raise StoreError(f"{config} (trial {number}): {error}; retry it before this import") from None
            changes.append({"t": number, "s": str(after), "p": parameters[number], "finished": at})
    if changes:
        connection.execute(
            update(trial)
            .where(trial.c.id == bindparam("t"))
            .values(
                state=bindparam("s"),
                parameters=bindparam("p"),
                finished_at=bindparam("finished"),
                failure=None,
                owner=None,
                lease_from=None,
                lease_until=None,
            ),
            changes,
        )


def add_to_trials(connection: Connection, facts: Sequence[tuple[int, Sequence[Quality]]]) -> Added:
    """Write quality of finished trials; stored values stay. Counts new, same and different ones."""
    named = measure_ids(connection, [measurement for _, measurements in facts for measurement in measurements])
    before: dict[tuple[int, int], float | None] = {}
    for some in chunks(number for number, _ in facts):
        query = select(quality.c.trial_id, quality.c.measure_id, quality.c.value).where(quality.c.trial_id.in_(some))
        before |= {(row[0], row[1]): row[2] for row in connection.execute(query)}
    new = same = different = 0
    for number, measurements in facts:
        for measurement in measurements:
            key = (number, named[measurement.dataset, measurement.metric, measurement.protocol])
            if key not in before:
                new += 1
            elif _equal(before[key], measurement.value):
                same += 1
            else:
                different += 1
    write_quality(connection, facts)
    return Added(new, same, different)


def _equal(stored: float | None, value: float) -> bool:
    if stored is None or math.isnan(value):
        return stored is None and math.isnan(value)
    return math.isclose(stored, value, rel_tol=1e-12)
