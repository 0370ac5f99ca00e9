"""Small pictures for the page: one crop of one photograph, as it was and as each model makes it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.measures.frontier import frontier
from analysis.reading import imaging
from analysis.reading.models import Models
from analysis.reading.results import Results
from analysis.reading.selection import Selection
from search_space.errors import BadConfig, BadWeights

if TYPE_CHECKING:
    from results_db.store import Store

Crop = tuple[int, int, int, int]


@dataclass(frozen=True)
class Samples:
    """How many models get a picture: those on a frontier and the best of each family first."""

    most: int = 150

    def made(
        self, store: Store, found: Sequence[Results], selection: Selection, metrics: Sequence[str]
    ) -> dict[str, Any]:
        """JSON-ready: ``image``, ``crop``, ``reference`` by scale (HR and bicubic), ``models`` by id; each a PNG with
        the PSNR of the whole image. Empty where no model has weights."""
        ours = [results for results in found if results.source != "published"]
        if self.most <= 0 or not metrics or not (ours or selection.weights):
            return {}
        models = Models(store, selection.weights, selection.sweep)
        wanted = [c for c in _important(ours or found, metrics) if c in models.trials or c in models.files]
        if not any(not c.startswith("Bicubic") for c in wanted):
            return {}
        name, luma = imaging.read_luma(selection.image)
        crop = selection.crop or (imaging.SAMPLE_CROP if selection.image is None else centre(luma))
        pairs: dict[int, imaging.TestImage] = {}
        reference: dict[str, Any] = {}
        pictures: dict[str, Any] = {}
        for config in wanted:
            if len(pictures) >= self.most:
                break
            scale = int(config.split("_s")[1].split("_")[0])
            if scale not in pairs:
                pairs[scale] = pair = imaging.pair(name, luma, scale)
                module = models.require(f"Bicubic_s{scale}")
                reference[str(scale)] = {"hr": encode(cut(pair.hr, crop)), **_picture(module, pair, crop)}
            try:
                module_of = models.get(config)
            except (BadWeights, BadConfig):
                # One damaged model must not cost the whole page; its detail simply has no picture.
                continue
            if module_of is not None:
                pictures[config] = _picture(module_of, pairs[scale], crop)
        return {"image": name, "crop": list(crop), "reference": reference, "models": pictures}


def _important(found: Sequence[Results], metrics: Sequence[str]) -> list[str]:
    """Ids, those someone will most likely look at first."""
    first: list[str] = []
    rest: list[str] = []
    for results in found:
        table = results.table
        column = next((m for m in metrics if m in table), None)
        if column is None:
            continue
        for _, part in table.groupby(["scale", "device"], dropna=False):
            part = part[part[column].notna()]
            timed = part[part["fps"].notna()]
            members = frontier(timed[["fps", column]].to_numpy(dtype=float)).members
            first += timed["config"].iloc[list(members)].tolist()
            best = part.sort_values(column, ascending=False)
            first += best.drop_duplicates(subset="family")["config"].tolist()
            rest += best["config"].tolist()
    return list(dict.fromkeys([*first, *rest]))


def centre(luma: NDArray[np.float32], side: int = 96) -> Crop:
    """A square in the middle of an image (H, W)."""
    height, width = luma.shape
    side = min(side, height, width)
    return (width - side) // 2, (height - side) // 2, side, side


def cut(image: NDArray[np.float32], crop: Crop) -> NDArray[np.float32]:
    """The part of an image (H, W) that lies in ``crop`` (left, top, width, height)."""
    left, top, width, height = crop
    return image[top : top + height, left : left + width]


def encode(image: NDArray[Any]) -> str:
    """An image in 0..255, grey (h, w) or in colour (h, w, 3), as a ``data:`` address of a PNG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.clip(np.rint(image), 0, 255).astype(np.uint8)).save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def _picture(module: Any, pair: imaging.TestImage, crop: Crop) -> dict[str, Any]:
    image = imaging.upscale(module, pair)
    return {"png": encode(cut(image, crop)), "psnr": round(imaging.psnr(image, pair), 2)}
