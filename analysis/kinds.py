"""The charts there are, by the name ``sweep plot`` and ``python -m analysis.NAME`` know them by."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from analysis.reading.selection import Selection
from search_space.errors import SweepError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results_db.store import Store

KINDS = {
    "pareto": "speed (or another cost: --x) against quality, a panel per scale",
    "filters": "the filters of eSR-MAX, eSR-TM and eSR-TR, and their frequency responses",
    "templates": "for one image, where each template wins",
    "crops": "HR, bicubic and models side by side, with PSNR",
    "compare": "ours against published or re-evaluated: scatter, residuals, ranks, frontiers",
    "devices": "one device against another: do the speed ranks agree",
    "growth": "how the frontier grew over the sweep's time",
}


TELLING = ("pareto", "compare", "devices", "growth")
"""Kinds that show measured speeds, and say what is to be known of them."""


FROM_WEIGHTS = ("filters", "templates")
"""Kinds that need no database where weights files are given."""


def figure(kind: str, store: Store | None, selection: Selection, tell: Callable[[str], None] | None = None) -> Figure:
    """Draw a kind of chart from a store. Raises SweepError for an unknown kind or nothing to draw.

    ``tell`` gets lines for a person: another source that is not shown, speeds that are disturbed.
    """
    if kind not in KINDS:
        raise SweepError(f"there is no chart {kind!r} (choose from {', '.join(KINDS)})")
    if store is None and kind not in FROM_WEIGHTS:
        raise SweepError(f"{kind} is drawn from a database")
    draw = import_module(f"analysis.{kind}").figure
    chart: Figure = draw(store, selection, tell) if kind in TELLING else draw(store, selection)
    return chart
