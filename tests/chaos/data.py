"""Images so small that a trial takes a fraction of a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from workers.data.datasets import resolve


def make_data(root: Path) -> Path:
    """T91 and Set5 by name, each one crop of an embedded photograph."""
    for name, source, side in (("T91", "embedded-train", 96), ("Set5", "embedded-test", 48)):
        (root / name).mkdir(parents=True)
        images = resolve(source)
        crop = np.ascontiguousarray(images.pixels[0][100 : 100 + side, 100 : 100 + side])
        Image.fromarray(crop).save(root / name / f"{Path(images.names[0]).stem}.png")
    return root
