"""Which kind of speed (backend, precision, protocol) is shown or used when several were measured: one rule for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

KIND = ("backend", "precision", "speed_protocol")
"""Columns of ``frames.results`` that must be equal for two speeds of one device to be compared."""


def of_most_configs(
    table: pd.DataFrame, within: Sequence[str] = ("device",), kind: Sequence[str] = KIND
) -> pd.Series[bool]:
    """Per row of ``table`` whether it is of the kind of speed that most configs have, for each value of ``within``.

    Among kinds with equally many configs it is the one whose first row comes last.
    """
    columns = [*within, *kind]
    measured = table.loc[table["fps"].notna(), [*columns, "config"]].drop_duplicates()
    counts = measured.groupby(columns, sort=False, dropna=False)["config"].size()
    most = counts.sort_values(kind="stable").reset_index()[columns].drop_duplicates(list(within), keep="last")
    chosen = table[columns].merge(most.assign(chosen=True), on=columns, how="left")["chosen"]
    return chosen.notna().set_axis(table.index)
