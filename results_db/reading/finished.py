"""The finished trials of a sweep as the facts their workers brought, so that another store can keep them too."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, select

from results_db.reading.trial_facts import read_curve
from results_db.records import CUDA, Source, cuda_state, damage
from results_db.schema import artifact, attempt, measure, quality, quality_image, trial
from results_db.states import State
from results_db.tables.trials import KEY, of_sweep, sweep_id
from search_space.errors import StoreError
from search_space.facts import Artifact, Done, Provenance, Quality, TrialKey

if TYPE_CHECKING:
    from results_db.store import Store


def finished(store: Store, sweep: int | str) -> list[tuple[TrialKey, Done]]:
    """Key and result of each of our finished trials of a sweep, in planned order, with weights and quality per image.

    Raises StoreError for a sweep that is not there, and for weights whose SHA-256 no longer matches.
    """
    return store.database.read(lambda c: _finished(c, sweep_id(c, sweep)))


def images_of(store: Store, sweep: int | str, source: Source) -> list[Quality]:
    """All that a sweep's trials of ``source`` measured image by image; ``value`` is the stored one."""

    def read(connection: Connection) -> list[Quality]:
        number = sweep_id(connection, sweep)

        def ours(query: Any) -> Any:
            return of_sweep(query, number).where(trial.c.source == str(source))

        images = _by_measure(connection, ours(_joined(quality_image, quality_image.c.per_image)))
        rows = connection.execute(ours(_joined(quality, quality.c.value, trial.c.config)))
        return [_quality(row, images) for row in rows]

    return store.database.read(read)


def _quality(row: Any, images: dict[Any, str]) -> Quality:
    per_image = tuple((str(name), float(value)) for name, value in json.loads(images.get(row[:2], "[]")))
    value = float("nan") if row.value is None else row.value
    return Quality(row.config, row.dataset, row.metric, value, row.unit, row.protocol, per_image)


def _finished(connection: Connection, number: int) -> list[tuple[TrialKey, Done]]:
    def ours(query: Any) -> Any:
        return of_sweep(query, number).where(trial.c.state == str(State.DONE), trial.c.source == str(Source.OURS))

    ended = and_(attempt.c.trial_id == trial.c.id, attempt.c.number == trial.c.attempt)
    rows = connection.execute(
        ours(select(trial, attempt.c.curve, attempt.c.detail).join(attempt, ended)).order_by(trial.c.id)
    ).all()
    images = _by_measure(connection, ours(_joined(quality_image, quality_image.c.per_image)))
    qualities: defaultdict[int, list[Quality]] = defaultdict(list)
    for row in connection.execute(ours(_joined(quality, quality.c.value, trial.c.config))):
        qualities[row.trial_id].append(_quality(row, images))
    files: defaultdict[int, list[Artifact]] = defaultdict(list)
    for row in connection.execute(ours(select(artifact).join(trial, trial.c.id == artifact.c.trial_id))):
        if found := damage(row.kind, row.trial_id, row.data, row.sha256):
            raise StoreError(found)
        files[row.trial_id].append(Artifact(row.kind, bytes(row.data), row.sha256))
    return [
        (TrialKey(*(row._mapping[column] for column in KEY)), _done(row, qualities[row.id], files[row.id]))
        for row in rows
    ]


def _joined(table: Any, *columns: Any) -> Any:
    named = (table.c.trial_id, table.c.measure_id, measure.c.dataset, measure.c.metric, measure.c.protocol)
    query = select(*named, measure.c.unit, *columns).join(measure, measure.c.id == table.c.measure_id)
    return query.join(trial, trial.c.id == table.c.trial_id).order_by(table.c.trial_id, table.c.measure_id)


def _by_measure(connection: Connection, query: Any) -> dict[Any, str]:
    return {row[:2]: row.per_image for row in connection.execute(query)}


def _done(row: Any, qualities: list[Quality], files: list[Artifact]) -> Done:
    provenance = None
    if row.engines is not None:
        engines, cuda = tuple(json.loads(row.engines)), cuda_state(json.loads(row.detail).get(CUDA))
        provenance = Provenance(engines, row.trained_on, row.training_precision, row.torch, cuda)
    flags = tuple(json.loads(row.flags or "[]"))
    return Done(
        row.id,
        row.attempt,
        tuple(qualities),
        tuple(files),
        row.seconds,
        row.steps,
        row.node or "",
        read_curve(row.curve),
        flags,
        provenance,
    )
