"""Keeping what a lost database would take with it: a file of its own with all that can still be read or is in hand."""

from __future__ import annotations

import datetime as dt
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from results_db.records import Claim, SweepRow
from results_db.store import Store
from search_space.errors import StoreError, StoreLost
from search_space.facts import Checkpoint, Outcome, TrialKey


def rescue(
    store: Store,
    row: SweepRow,
    claims: Sequence[Claim] = (),
    outcomes: Sequence[Outcome] = (),
    states: Sequence[Checkpoint] = (),
    error: StoreError | None = None,
) -> str:
    """Write a rescue file; what was kept where and how to use it, in words. Never raises for a failing store.

    A SQLite file that was deleted, moved or replaced can still be read whole through the open connections. Of any
    other store that cannot be written only what is in hand is kept: ``outcomes`` of ``claims``, and ``states``.
    """
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S")
    whole = isinstance(error, StoreLost) and store.database.is_sqlite
    for target in _places(store.database.address.path, stamp):
        try:
            if whole and _copy_open(store, target):
                with Store.open(str(target)) as kept:
                    kept.record(outcomes)
                    kept.save_checkpoints(states)
                return (
                    f"all its results are kept in {target}: "
                    f"put them in place with `sweep db restore {quote(str(target))} --db {quote(store.url)}`"
                )
            if not outcomes and not states:
                return "no result was in hand that it does not hold"
            with Store.open(str(target)) as fresh:
                _fill(fresh, row, claims, outcomes, states)
            return f"what could not be stored ({len(outcomes)} results) is kept in {target}, a database of its own"
        except (StoreError, OSError):
            target.unlink(missing_ok=True)
    return f"{len(outcomes)} results could not be kept anywhere"


def _places(path: Path | None, stamp: str) -> Iterator[Path]:
    """Files to try, the best first: beside the database, here, among the temporary files."""
    name = f"{path.name if path else 'edge-sweep.db'}.rescue-{stamp}"
    for folder in dict.fromkeys((path.parent if path else Path.cwd(), Path.cwd(), Path(tempfile.gettempdir()))):
        if folder.is_dir() and not (folder / name).exists():
            yield folder / name


def _copy_open(store: Store, target: Path) -> bool:
    """Copy the database through a connection that is open; whether the copy is sound."""
    try:
        with closing(store.database.engine.raw_connection()) as pooled, closing(sqlite3.connect(target)) as writer:
            source: Any = pooled.driver_connection
            source.backup(writer)
            (verdict,) = writer.execute("PRAGMA quick_check(1)").fetchone()
            (trials,) = writer.execute("SELECT count(*) FROM trial").fetchone()
            writer.execute("PRAGMA journal_mode=DELETE")
            if verdict == "ok" and trials:
                return True
    except sqlite3.Error:
        pass
    target.unlink(missing_ok=True)
    return False


def _fill(
    fresh: Store, row: SweepRow, claims: Sequence[Claim], outcomes: Sequence[Outcome], states: Sequence[Checkpoint]
) -> None:
    """Plan and claim the trials in hand in a new store, and store their outcomes and states under their new numbers."""
    sweep = fresh.create_sweep(row.name, row.space, row.recipe_json, row.git, settings=row.settings)
    keys: Mapping[int, TrialKey] = {claim.trial: claim.key for claim in claims}
    fresh.plan(sweep, keys.values())
    ids = fresh.trial_ids(keys.values())
    taken = {claim.key: claim for claim in fresh.claim(list(ids.values()), "rescue", 60)}

    def new(trial: int) -> dict[str, int]:
        claim = taken[keys[trial]]
        return {"trial": claim.trial, "attempt": claim.attempt}

    fresh.record([replace(outcome, **new(outcome.trial)) for outcome in outcomes])  # type: ignore[arg-type]
    fresh.save_checkpoints([replace(state, **new(state.trial)) for state in states if state.trial in keys])  # type: ignore[arg-type]
    fresh.release(list(taken.values()), "rescue", "kept from a store that could not be written")
