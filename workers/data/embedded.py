"""The default data, no download needed: the photographs that scikit-image carries inside its wheel."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from search_space.errors import BadData
from workers.data.image_set import ImageSet, read_image

TRAIN = (
    "astronaut.png",
    "brick.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
)
"""The right-hand motorcycle shows the same scene and is used nowhere."""
TEST = ("camera.png", "chelsea.png", "coins.png", "rocket.jpg")


@lru_cache(maxsize=4)
def embedded(name: str) -> ImageSet:
    """``embedded-train`` (10 photographs) or ``embedded-test`` (4 others); reads only files of the wheel."""
    files = {"embedded-train": TRAIN, "embedded-test": TEST}.get(name)
    if files is None:
        raise BadData(f"there is no embedded image set {name!r} (embedded-train, embedded-test)")
    # The folder is found without importing skimage.data, whose loaders may start a download.
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise BadData("scikit-image is not installed, so there is no embedded data: pip install scikit-image")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    missing = [f for f in files if not (folder / f).is_file()]
    if missing:
        raise BadData(f"this scikit-image lacks {', '.join(missing)} in {folder}: give --data-root DIR instead")
    return ImageSet(name, files, tuple(read_image(folder / f) for f in files))
