"""Disturbed speeds among gathered results: which rows, how many, and results without them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from results_db.reading import disturbed
from results_db.reading.frames import OF_SPEEDS

if TYPE_CHECKING:
    import pandas as pd


def mask(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows have a speed that is marked as disturbed (N,)."""
    return np.asarray(table["disturbed"].astype("boolean").fillna(False).to_numpy(dtype=bool))


def timings(table: pd.DataFrame) -> list[disturbed.Timing]:
    """The speeds of a table of results as ``results_db.reading.disturbed`` takes them."""
    timed = table[table["fps"].notna()]
    rows = zip(
        *(timed[name] for name in ("config", "device", "backend", "precision", "speed_protocol")),
        mask(timed),
        timed["kit"].notna(),
        strict=True,
    )
    return [disturbed.Timing(*row) for row in rows]


def notes(measured: Iterable[disturbed.Timing], url: str) -> list[str]:
    """For commands that can leave them out: a count, how to repeat them, and that option; nothing where none is
    disturbed."""
    lines = disturbed.notes(measured, url)
    return [*lines, "or leave them out: --undisturbed-only"] if lines else []


def keep_speeds(table: pd.DataFrame, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """The ``chosen`` rows and those without a speed; a finished model left without any row keeps its quality."""
    import pandas as pd

    kept = table[chosen | table["device"].isna().to_numpy()]
    others = table[~table["config"].isin(kept["config"]) & table["trial"].notna()].drop_duplicates("trial")
    if others.empty:
        return kept
    untimed = others.drop(columns=list(OF_SPEEDS)).reindex(columns=table.columns)
    return pd.concat([kept, untimed.astype({"disturbed": "boolean"})], ignore_index=True)
