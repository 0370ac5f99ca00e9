"""The authors' released weights under our protocol, beside the measurements they published.

    python benchmarks/released_reevaluated.py [--shared DIR] [--quick] [--out DIR]

Reads DIR/published and DIR/datasets (default ../shared); says so and stops where they are not.
Rows: {config, dataset, psnr, ssim, published_psnr, published_ssim, below_bicubic}.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import _record
from rich.progress import track

from results_db.foreign import published
from workers.data.image_set import ImageSet, read_folder
from workers.quality.evaluate_files import Evaluated, evaluate_files, find_weights
from workers.quality.protocol import PROTOCOL, bicubic_psnr

SETS = ("Set5", "Set14", "BSDS100")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("EDGE_SWEEP_SHARED", "../shared")))
    parser.add_argument("--quick", action="store_true", help="every 40th file on Set5")
    parser.add_argument("--out", type=Path, help="folder for the JSON (default benchmarks/results)")
    parser.add_argument("--only", metavar="FAMILY", help="measure this family; the other rows stay as committed")
    args = parser.parse_args()
    folder = args.shared / "published"
    if not folder.is_dir():
        sys.exit(f"released_reevaluated: no {folder}: give --shared DIR (nothing measured)")
    _record.RESULTS = args.out or _record.RESULTS
    files, skipped = find_weights(folder / "model-files")
    files = files[::40] if args.quick else files
    kept: list[dict[str, Any]] = []
    if args.only:
        files = tuple(file for file in files if file.config.family == args.only)
        found = json.loads((_record.RESULTS / "released_reevaluated.json").read_text())
        kept = [row for row in found["rows"] if row["config"].split("_")[0] != args.only]
    sets = [read_folder(args.shared / "datasets" / name)[0] for name in (SETS[:1] if args.quick else SETS)]
    told = {(q.config, q.dataset, q.metric): q.value for q in published.read(folder / "tests.pkl").qualities}
    started = time.perf_counter()
    results = list(track(evaluate_files(files, sets), "evaluating", total=len(files)))
    seconds = time.perf_counter() - started
    rows = sorted(
        kept + [row for result in results for row in _rows(result, sets, told)], key=lambda row: row["config"]
    )
    path = _record.record(
        "released_reevaluated",
        {
            "protocol": PROTOCOL,
            "configs": len({row["config"] for row in rows}),
            "seconds": round(seconds, 1),
            "failed": [f"{r.file.path.name}: {r.error}" for r in results if r.error],
            "skipped": [f"{s.name}: {s.reason}" for s in skipped],
            "bicubic_psnr": {s.name: {f"x{scale}": bicubic_psnr(s, scale) for scale in (2, 3, 4)} for s in sets},
            "summary": _summary(rows),
            "rows": rows,
        },
        ("torch", "numpy", "pillow"),
    )
    print(f"{len(rows)} rows in {path}")


def _rows(result: Evaluated, sets: list[ImageSet], told: dict[tuple[str, str, str], float]) -> list[dict[str, Any]]:
    config = result.file.config
    found = {(q.dataset, q.metric): q for q in result.qualities}
    return [
        {
            "config": config.id,
            "dataset": s.name,
            "psnr": found[s.name, "psnr"].value,
            "ssim": found[s.name, "ssim"].value,
            "published_psnr": told.get((config.id, s.name, "psnr")),
            "published_ssim": told.get((config.id, s.name, "ssim")),
            "below_bicubic": found[s.name, "psnr"].value < bicubic_psnr(s, config.scale),
        }
        for s in sets
        if (s.name, "psnr") in found
    ]


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Re-evaluated minus published, in dB, for each family, scale and set."""
    groups: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        if row["published_psnr"] is not None:
            family, scale = row["config"].split("_")[:2]
            groups.setdefault((family, scale, row["dataset"]), []).append(row["psnr"] - row["published_psnr"])
    return [
        {
            "family": family,
            "scale": scale,
            "dataset": dataset,
            "models": len(differences),
            "median_db": round(statistics.median(differences), 4),
            "least_db": round(min(differences), 4),
            "most_db": round(max(differences), 4),
        }
        for (family, scale, dataset), differences in sorted(groups.items())
    ]


if __name__ == "__main__":
    main()
