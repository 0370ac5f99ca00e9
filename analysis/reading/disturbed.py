"""Disturbed speeds among gathered results: which rows, how many, and results without them."""

from __future__ import annotations

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


def notes(table: pd.DataFrame, url: str) -> list[str]:
    """A count and the commands that repeat them; nothing where no speed is disturbed."""
    timed = table[table["fps"].notna()]
    rows = zip(
        *(timed[name] for name in ("config", "device", "backend", "precision", "speed_protocol")),
        mask(timed),
        timed["kit"].notna(),
        strict=True,
    )
    return disturbed.notes([disturbed.Timing(*row) for row in rows], url)


def keep_speeds(table: pd.DataFrame, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """The ``chosen`` rows and those without a speed; a finished model left without any row keeps its quality."""
    import pandas as pd

    kept = table[chosen | table["device"].isna().to_numpy()]
    others = table[~table["config"].isin(kept["config"]) & table["trial"].notna()].drop_duplicates("trial")
    if others.empty:
        return kept
    untimed = others.drop(columns=list(OF_SPEEDS)).reindex(columns=table.columns)
    return pd.concat([kept, untimed.astype({"disturbed": "boolean"})], ignore_index=True)
