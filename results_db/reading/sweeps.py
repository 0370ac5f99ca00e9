"""All sweeps of a store at a glance: how far each is, its tags and its best models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from results_db.records import Counts, SweepRow
from results_db.schema import measure, quality, sweep_trial, trial
from results_db.states import State

if TYPE_CHECKING:
    from results_db.store import Store

TAGS, NOTE = "tags", "note"
"""Keys of ``SweepRow.settings``; ``sweep resume`` needs neither and keeps both."""


@dataclass(frozen=True)
class Summary:
    """A sweep and what a list says of it."""

    row: SweepRow
    counts: Counts
    tags: tuple[str, ...]
    note: str
    best: Mapping[int, tuple[str, float]]
    """Config and PSNR in dB of the best model of each scale, on ``dataset``."""
    dataset: str

    @property
    def state(self) -> str:
        """One word: ``archived``, ``empty``, ``done``, ``running``, ``failed`` (ended with failures) or ``stopped``."""
        counts = self.counts
        if self.row.archived:
            return "archived"
        if not counts.planned:
            return "empty"
        if counts.running:
            return "running"
        if counts.done == counts.planned:
            return "done"
        return "failed" if counts.done + counts.failed == counts.planned else "stopped"


def summaries(store: Store, tags: Iterable[str] = (), archived: bool = False) -> list[Summary]:
    """The sweeps that have all of ``tags``, oldest first; those set aside only with ``archived``."""
    wanted = set(tags)
    out = []
    for row in store.sweeps():
        if row.archived and not archived:
            continue
        mine = tags_of(row)
        if wanted <= set(mine):
            dataset, best = store.database.read(lambda c, number=row.id: _best(c, number))  # type: ignore[misc]
            note = str(row.settings.get(NOTE, ""))
            out.append(Summary(row, store.counts(row.id), mine, note, best, dataset))
    return out


def tags_of(row: SweepRow) -> tuple[str, ...]:
    """A sweep's tags in alphabetical order."""
    return tuple(sorted(str(tag) for tag in row.settings.get(TAGS, ())))


def change(
    store: Store, name: str, add: Iterable[str] = (), remove: Iterable[str] = (), note: str | None = None
) -> SweepRow:
    """Give a sweep tags, take some away, or replace its note. Raises StoreError for a sweep that is not there."""
    row = store.sweep(name)
    tags = sorted((set(tags_of(row)) | set(add)) - set(remove))
    settings = {key: value for key, value in row.settings.items() if key not in (TAGS, NOTE)}
    kept = row.settings.get(NOTE, "") if note is None else note
    store.change_settings(row.id, settings | ({TAGS: tags} if tags else {}) | ({NOTE: kept} if kept else {}))
    return store.sweep(row.id)


def _best(connection: Connection, number: int) -> tuple[str, dict[int, tuple[str, float]]]:
    """The test set of the sweep's first PSNR, and the best model of each scale on it."""
    mine = select(sweep_trial.c.trial_id).where(sweep_trial.c.sweep_id == number)
    of_mine = select(quality.c.measure_id).where(quality.c.trial_id.in_(mine)).distinct()
    kinds = select(measure.c.id, measure.c.dataset).where(measure.c.metric == "psnr", measure.c.id.in_(of_mine))
    first = connection.execute(kinds.order_by(measure.c.id).limit(1)).first()
    if first is None:
        return "", {}
    query = select(trial.c.config, quality.c.value).join(quality, quality.c.trial_id == trial.c.id)
    query = query.where(
        trial.c.id.in_(mine),
        trial.c.state == str(State.DONE),
        quality.c.measure_id == first.id,
        quality.c.value.is_not(None),
    )
    best: dict[int, tuple[str, float]] = {}
    for config, value in connection.execute(query.order_by(quality.c.value)):
        best[int(config.split("_s")[1].split("_")[0])] = (config, float(value))
    return str(first.dataset), dict(sorted(best.items()))
