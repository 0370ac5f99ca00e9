"""``python -m analysis.crops``: HR, bicubic and chosen models side by side on one part of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.charts import style
from analysis.charts.crops import Picture, draw
from analysis.reading import imaging
from analysis.reading.models import Models
from analysis.reading.results import gather
from analysis.reading.selection import Selection
from analysis.report.samples import Crop, centre, cut
from search_space import parse_id
from search_space.errors import SweepError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results_db.store import Store


def figure(store: Store, selection: Selection) -> Figure:
    """The crops of the models asked for (one scale), or of the best of each family. Raises SweepError."""
    models = Models(store, selection.weights, selection.sweep)
    chosen = list(selection.configs) or _best(store, selection, models)
    scales = {parse_id(config).scale for config in chosen}
    if len(scales) > 1:
        raise SweepError("the models must be of one scale: add --scale, or choose other configs")
    scale = scales.pop()
    name, luma = imaging.read_luma(selection.image)
    pair = imaging.pair(name, luma, scale)
    crop = selection.crop or (imaging.SAMPLE_CROP if selection.image is None else centre(pair.hr))
    _inside(crop, pair)
    pictures = [Picture("HR", cut(pair.hr, crop), None)]
    for config in [f"Bicubic_s{scale}", *(c for c in chosen if not c.startswith("Bicubic"))]:
        image = imaging.upscale(models.require(config), pair)
        pictures.append(Picture(style.short(config), cut(image, crop), imaging.psnr(image, pair)))
    return draw(f"{name}, x{scale}", "PSNR of the whole image's luma", pair.hr, crop, pictures)


def _best(store: Store, selection: Selection, models: Models) -> list[str]:
    """The best model of each family at one scale that has weights, by the store's measurements."""
    if selection.weights and not models.trials:
        return list(models.files)[:7]
    results = gather(store, selection)
    metric = results.metric(selection.metric)
    table = results.table[results.table[metric.column].notna()].drop_duplicates(subset="config")
    table = table.sort_values(metric.column, ascending=not metric.more_is_better)
    scale = selection.scales[0] if selection.scales else min(results.scales)
    with_weights = [c for c in table[table["scale"] == scale]["config"] if c in models.files or c in models.trials]
    best: dict[str, str] = {}
    for config in with_weights:
        family = parse_id(config).family
        if family != "Bicubic" and family not in best and models.get(config) is not None:
            best[family] = config
    if not best:
        raise SweepError("the store holds no weights of these models: give --weights FILE or folder")
    return [best[family] for family in style.in_order(best)]


def _inside(crop: Crop, pair: imaging.TestImage) -> None:
    height, width = pair.hr.shape
    if crop[0] + crop[2] > width or crop[1] + crop[3] > height:
        raise SweepError(f"--crop {','.join(map(str, crop))} leaves the image ({width} x {height} pixels)")


if __name__ == "__main__":
    from analysis.script import main

    main("crops")
