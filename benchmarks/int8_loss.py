"""What 8 bits cost released networks on Set5, by family: python benchmarks/int8_loss.py [--quick] [--count N].

Exports each network as int8 ONNX with ranges from the embedded photographs, as ``sweep export --int8`` does, and
measures the file. Needs the released weights and Set5 (development material).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from random import Random
from statistics import median
from typing import Any

import torch
from _bench import shared
from _record import record

from search_space import parse_id
from workers.data.embedded import embedded
from workers.data.image_set import read_folder
from workers.export import export
from workers.export.check import MAX_LOSS
from workers.training.weights import load


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--count", type=int, default=120)
    options = parser.parse_args()
    folder = shared()
    if folder is None:
        print("not measured: needs the released weights (set EDGE_SWEEP_SHARED)")
        return
    torch.set_num_threads(1)
    files = sorted((folder / "published/model-files").glob("*.model"))
    # Deep networks lose most, so all of FSRCNN's are there; the others are drawn.
    deep = [file for file in files if file.stem.startswith("FSRCNN")]
    others = [file for file in files if not file.stem.startswith(("FSRCNN", "Bicubic"))]
    Random(0).shuffle(deep)
    Random(0).shuffle(others)
    chosen = (deep[:2] + others[:2]) if options.quick else (deep + others)[: max(options.count, len(deep))]
    images, calibration = read_folder(folder / "datasets/Set5")[0], embedded("embedded-train")
    rows: list[dict[str, Any]] = []
    for file in chosen:
        config = parse_id(file.stem)
        made = export(config, load(config, file), "onnx", images, precision="int8", calibration=calibration, force=True)
        rows.append(
            {
                "config": config.id,
                "psnr_db": round(made.check.psnr_torch, 3),
                "loss_db": round(-made.check.psnr_change, 3),
                "refused": -made.check.psnr_change > MAX_LOSS,
            }
        )
        print(rows[-1], flush=True)
        # What is measured is kept: on a busy machine all of it takes an hour.
        path = record("int8_loss", summary(rows), ("torch", "numpy", "onnx", "onnxruntime"))
    print(path)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By family and over all."""
    families = defaultdict(list)
    for row in rows:
        families[row["config"].split("_")[0]].append(row["loss_db"])
    return {
        "networks": len(rows),
        "median_loss_db": median(row["loss_db"] for row in rows),
        "worst_loss_db": max(row["loss_db"] for row in rows),
        "refused": sum(row["refused"] for row in rows),
        "by_family": {
            name: {"networks": len(values), "median_db": median(values), "worst_db": max(values)}
            for name, values in sorted(families.items())
        },
        "rows": rows,
    }


if __name__ == "__main__":
    main()
