"""Tables for replays: from the published results, or from any finished sweep of a results database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from search_space import parse_id
from search_space.errors import BadData
from sweep.search.objectives import Objective
from sweep.search.replay_table import ReplayTable, replay_table

if TYPE_CHECKING:
    import pandas as pd

    from results_db.foreign.results import ForeignResults
    from results_db.store import Store

PUBLISHED = "published"


def published_table(results: ForeignResults, device: str, dataset: str, scale: int) -> ReplayTable:
    """The published results of one device, test set and scale. Raises BadData when there are none."""
    psnr = {q.config: q.value for q in results.qualities if q.metric == "psnr" and q.dataset == dataset}
    fps = {s.config: s.fps for s in results.speeds if s.device == device}
    values = {
        config: (fps[config], psnr[config]) for config in fps if config in psnr and parse_id(config).scale == scale
    }
    return replay_table(device, (Objective("fps", device), Objective("psnr", dataset)), values)


def sweep_table(store: Store, sweep: str, device: str, dataset: str, scale: int) -> ReplayTable:
    """The results of a finished sweep in a store. Raises BadData when there are none."""
    return table_of(sweep_rows(store, sweep, device, dataset, scale), sweep, device, dataset)


def sweep_rows(
    store: Store, sweep: str, device: str, dataset: str, scale: int, undisturbed_only: bool = False
) -> pd.DataFrame:
    """A row per config of a finished sweep with both a PSNR and a speed, all speeds of one kind: that of most configs.

    Raises BadData when the sweep has no such PSNR.
    """
    from analysis.reading import disturbed
    from results_db.reading import frames
    from results_db.reading.speed_kinds import of_most_configs

    frame = frames.results(store, sweep=sweep, device=device)
    column = f"psnr:{dataset}"
    if column not in frame:
        raise BadData(f"sweep {sweep!r} has no {column}")
    rows = frame[(frame["scale"] == scale) & frame[column].notna() & frame["fps"].notna()]
    if undisturbed_only:
        rows = rows[~disturbed.mask(rows)]
    return rows[of_most_configs(rows)].drop_duplicates("config", keep="last")


def table_of(rows: pd.DataFrame, sweep: str, device: str, dataset: str) -> ReplayTable:
    """The table of ``sweep_rows``. Raises BadData when there are too few."""
    values = dict(zip(rows["config"], zip(rows["fps"], rows[f"psnr:{dataset}"], strict=True), strict=True))
    return replay_table(f"{sweep}/{device}", (Objective("fps", device), Objective("psnr", dataset)), values)


def published_file() -> Path | None:
    """The authors' results file, where the checkout has the development material beside it; else None."""
    import os

    root = os.environ.get("EDGE_SWEEP_SHARED", str(Path(__file__).parents[3] / "shared"))
    path = Path(root) / "published" / "tests.pkl"
    return path if path.is_file() else None
