"""Which networks travel inside the page, and the picture that they are first shown on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.measures.frontier import frontier
from analysis.reading import imaging
from analysis.reading.models import Models
from analysis.reading.results import Results
from analysis.reading.selection import Selection
from analysis.report.samples import encode
from analysis.report.viewer.which import Which
from search_space.errors import BadConfig, BadData, BadWeights
from search_space.metrics import COSTS, METRICS

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from results_db.store import Store

SIDE = 192
"""Of the picture that is there before one is dropped; a multiple of every scale."""


@dataclass(frozen=True)
class Networks:
    """What the page can run. ``write`` makes a network JSON-ready (``workers.export.glsl.webgl``; analysis may not
    import it) and raises BadData for one that the page cannot run."""

    which: Which
    prelude: str
    write: Callable[[nn.Module, int], dict[str, Any]]

    def made(
        self, store: Store, found: Sequence[Results], selection: Selection, metrics: Sequence[str]
    ) -> dict[str, Any]:
        """JSON-ready: ``prelude``, ``models`` by id (with the bicubic of each scale), ``picture``, ``left_out`` with
        the reason by id. Empty where no model has weights."""
        if self.which is Which.NONE:
            return {}
        tables = [results.table for results in found if results.source != "published"]
        tables = tables or [results.table for results in found]
        models = Models(store, selection.weights, selection.sweep)
        there = {*models.trials, *models.files}
        scales = {config: int(scale) for table in tables for config, scale in table[["config", "scale"]].to_numpy()}
        wanted = {config: scales[config] for config in self._wanted(tables, metrics) if config in there}
        bicubic = {f"Bicubic_s{scale}": scale for scale in sorted(set(wanted.values()))}
        written, left_out = self._written(models, bicubic | wanted)
        if not written.keys() - bicubic.keys():
            return {}
        return {"prelude": self.prelude, "models": written, "left_out": left_out, "picture": sample(selection)}

    def _wanted(self, tables: Sequence[pd.DataFrame], metrics: Sequence[str]) -> list[str]:
        if self.which is Which.ALL:
            return [config for table in tables for config in table["config"]]
        return [config for table in tables for config in on_a_frontier(table, metrics)]

    def _written(self, models: Models, configs: Mapping[str, int]) -> tuple[dict[str, Any], dict[str, str]]:
        written: dict[str, Any] = {}
        left_out: dict[str, str] = {}
        for config, scale in configs.items():
            try:
                written[config] = self.write(models.require(config), scale)
            except (BadWeights, BadConfig, BadData) as error:
                # One damaged or foreign model must not cost the whole page.
                left_out[config] = str(error)
        return written, left_out


def on_a_frontier(table: pd.DataFrame, metrics: Sequence[str]) -> list[str]:
    """Ids that are on the frontier of a device, scale and metric; by parameters where no speed was measured."""
    out: list[str] = []
    for _, part in table.groupby(["scale", "device"], dropna=False):
        cost = COSTS["fps" if part["fps"].notna().any() else "parameters"]
        for quality in (metric for metric in metrics if metric in part):
            rows = part[[cost.column, quality]].to_numpy(dtype=float)
            better = (cost.more_is_better, METRICS[quality.split(":")[0]].more_is_better)
            out += part["config"].iloc[list(frontier(rows, better).members)].tolist()
    return list(dict.fromkeys(out))


def sample(selection: Selection) -> dict[str, str]:
    """Name and ``data:`` address of a piece of the selection's image, or of the embedded photograph, in colour."""
    name, pixels = imaging.read_rgb(selection.image)
    height, width = pixels.shape[:2]
    middle = (width // 2, height // 2, 0, 0)
    left, top, across, down = selection.crop or (imaging.SAMPLE_CROP if selection.image is None else middle)
    x = max(0, min(left + across // 2 - SIDE // 2, width - SIDE))
    y = max(0, min(top + down // 2 - SIDE // 2, height - SIDE))
    return {"name": name, "png": encode(pixels[y : y + SIDE, x : x + SIDE])}
