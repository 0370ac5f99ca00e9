"""The zoo's networks against the released weights on images that neither was trained or judged on: evaluation only.

    python benchmarks/quality_heldout.py [--shared DIR] [--zoo DIR] [--set DIR ...] [--all] [--quick]

The 24 configs of quality.py (``--all``: every config whose released weights are at hand), by our protocol, on three
sets: ``photographs`` (the 14 that scikit-image carries in its wheel, the two of scikit-learn's), and facades and
drawings that a script makes (``_made_images.py``). ``--set DIR`` takes folders of images instead, for example of city
facades or scanned drawings.
Ours minus released in dB, median and worst by set and family; the rows of the 24 are kept.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections import Counter, defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import _made_images
import _record
from quality import sample
from rich.progress import track

from search_space.weights import load
from sweep.zoo.load import read
from workers.data.embedded import embedded
from workers.data.image_set import ImageSet, read_folder, read_image
from workers.quality.evaluate_files import WeightsFile, find_weights
from workers.quality.protocol import PROTOCOL, bicubic_psnr, evaluate

ROOT = Path(__file__).parent.parent
OTHERS = ("china.jpg", "flower.jpg")
"""Photographs in scikit-learn's wheel: a palace's front, a flower."""
Row = dict[str, Any]


def photographs() -> ImageSet:
    """Those of the wheels of scikit-image and scikit-learn."""
    sets = [embedded("embedded-train"), embedded("embedded-test")]
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        sys.exit("quality_heldout: scikit-learn is not installed (nothing measured)")
    folder = Path(spec.origin).parent / "datasets" / "images"
    names = [name for images in sets for name in images.names] + list(OTHERS)
    pixels = [one for images in sets for one in images.pixels] + [read_image(folder / name) for name in OTHERS]
    return ImageSet("photographs", tuple(names), tuple(pixels))


def cut(images: ImageSet, count: int) -> ImageSet:
    return ImageSet(images.name, images.names[:count], images.pixels[:count])


def rows_of(file: WeightsFile, ours: bytes, sets: list[ImageSet]) -> list[Row]:
    """A row per set, in dB."""
    config, rows = file.config, []
    modules = load(config, ours), load(config, file.path)
    for images in sets:
        mine, theirs = (evaluate(config, module, images, ("psnr",))[0].value for module in modules)
        values = {"ours_db": mine, "released_db": theirs, "bicubic_db": bicubic_psnr(images, config.scale)}
        rows.append({"config": config.id, "dataset": images.name, **{k: round(v, 4) for k, v in values.items()}})
    return rows


def summary(rows: list[Row]) -> dict[str, Any]:
    """By set: median and worst of ours minus released, how many are above, and how many of each below bicubic."""
    by_set: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_set[row["dataset"]].append(row)
    out = {}
    for name, some in by_set.items():
        deltas = {row["config"]: row["ours_db"] - row["released_db"] for row in some}
        worst = min(deltas, key=deltas.__getitem__)
        out[name] = {
            "configs": len(deltas),
            "median": round(statistics.median(deltas.values()), 4),
            "worst": round(deltas[worst], 4),
            "worst_config": worst,
            "share_above": round(sum(delta > 0 for delta in deltas.values()) / len(deltas), 4),
            "ours_below_bicubic": sum(row["ours_db"] < row["bicubic_db"] for row in some),
            "released_below_bicubic": sum(row["released_db"] < row["bicubic_db"] for row in some),
        }
    return out


def by_family(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """``summary`` of each family."""
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["config"].split("_")[0]].append(row)
    return {family: summary(some) for family, some in sorted(groups.items())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("EDGE_SWEEP_SHARED", "../shared")))
    parser.add_argument("--zoo", type=Path, default=ROOT / "zoo")
    parser.add_argument("--set", type=Path, action="append", metavar="DIR", help="images instead of the three sets")
    parser.add_argument("--all", action="store_true", help="every config whose released weights are at hand")
    parser.add_argument("--quick", action="store_true", help="three configs, two images of each set")
    asked = parser.parse_args()
    released = asked.shared / "published" / "model-files"
    if not released.is_dir():
        sys.exit(f"quality_heldout: no {released}: give --shared DIR (nothing measured)")
    files = [file for file in find_weights(released)[0] if file.config.family != "Bicubic"]
    chosen = {config.id for config in sample([file.config for file in files])}
    zoo = read(asked.zoo)
    networks = {key.config: done.artifacts[0].data for key, done in zoo.trials if done.artifacts}
    files = [file for file in files if file.config.id in networks and (asked.all or file.config.id in chosen)]
    if asked.set:
        sets = [read_folder(folder)[0] for folder in asked.set]
    else:
        sets = [photographs(), _made_images.facades(), _made_images.drawings()]
    if asked.quick:
        files, sets = files[:3], [cut(images, 2) for images in sets]
    began = time.perf_counter()
    rows = [row for file in track(files, "evaluating") for row in rows_of(file, networks[file.config.id], sets)]
    path = _record.record(
        "quality_heldout",
        {
            "protocol": PROTOCOL,
            "recipe": zoo.sweep.name,
            "images": {images.name: len(images.names) for images in sets},
            "configs": dict(Counter(file.config.family for file in files)),
            "all": summary(rows),
            "by_family": by_family(rows),
            "seconds": round(time.perf_counter() - began, 1),
            "rows": [row for row in rows if row["config"] in chosen],
        },
        ("torch", "numpy", "pillow", "scikit-image", "scikit-learn"),
    )
    print(f"{len(rows)} rows in {path}")


if __name__ == "__main__":
    main()
