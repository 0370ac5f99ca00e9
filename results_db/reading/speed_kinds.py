"""Which speeds are shown together: those of one kind, the kind of most configs where nobody chose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

KIND = ("device", "backend", "precision", "speed_protocol")
"""Speeds that agree in these columns of ``frames.results`` may be compared."""


def of_most_configs(
    table: pd.DataFrame, within: Sequence[str] = ("device", "backend", "precision"), column: str = "fps"
) -> pd.Series[bool]:
    """Which rows of ``frames.results`` have a speed of the kind that is used for their ``within``.

    For each device, backend and precision (or only ``("device",)``, where one kind must stand for the device) that is
    the kind with a ``column`` (``fps``, ``power_w``, ...) for the most configs; of equals the one stored last.
    """
    within = list(within)
    kinds = table.loc[table[column].notna(), [*KIND, "config"]].drop_duplicates()
    if not kinds.drop_duplicates(list(KIND)).duplicated(within).any():
        return table["device"].notna()
    counts = kinds.groupby(list(KIND), sort=False)["config"].size()
    most = counts.sort_values(kind="stable").reset_index().drop_duplicates(within, keep="last")
    used = table[within].merge(most, on=within, how="left").set_axis(table.index)
    same = table["device"].notna()
    for name in KIND:
        if name not in within:
            same &= table[name] == used[name]
    return same
