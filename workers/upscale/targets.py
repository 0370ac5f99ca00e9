"""Names of results: each keeps to the file it was made of, whatever else is enlarged beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from search_space.errors import BadData
from workers.upscale import pictures
from workers.upscale.about import DOCUMENT_NAME, SOURCE
from workers.upscale.inputs import Input, Kind

CONTAINERS = (".mp4", ".mkv", ".mov")
"""Kept; other videos become Matroska."""
SOURCE_TAG = "EDGE_SWEEP_SOURCE"
"""Of a Matroska file, for what ``SOURCE`` is of a PNG."""


class Targets:
    """Chooses the result's path of each input in a folder.

    ``a.jpg`` becomes ``a_x2.png``. Where another input of the same stem wants that name, the file whose ending stays
    has it, and others get their ending into the name (``a-jpg_x2.png``). PNG, TIFF and Matroska results say what they
    were made of: a file's own result of an earlier run is found again, and never taken for another's.
    """

    def __init__(self, inputs: Sequence[Input], folder: Path, scale: int) -> None:
        self.folder, self.scale = folder, scale
        self.stems = Counter((entry.path.stem, _family(entry)) for entry in inputs)
        self.taken: set[Path] = set()

    def target(self, entry: Input, ending: str) -> Path:
        """For a result with this ``ending``; two inputs never share one."""
        source = entry.path
        crowded = self.stems[source.stem, _family(entry)] > 1 and source.suffix.lower() != ending
        mine = pictures.label(source)
        # A result made when this file was alone has the plain name, whatever was added since.
        middles = [*_middles(source, crowded), *_middles(source, not crowded)]
        names = [self.folder / f"{middle}_x{self.scale}{ending}" for middle in middles]
        free = [path for path in names if path not in self.taken]
        chosen = next((path for path in free if made_of(path) == mine), None)
        if chosen is None:
            # A result that does not say what it was made of counts as the first's that would be called so.
            chosen = next((path for path in free if made_of(path) in (None, "")), None)
        if chosen is None:
            raise BadData(f"{self.folder} holds too many results of files called {source.stem}")
        self.taken.add(chosen)
        return chosen


def _family(entry: Input) -> str:
    """Inputs of one family may want the same name."""
    suffix = entry.path.suffix.lower()
    return suffix if entry.kind == Kind.VIDEO and suffix in CONTAINERS[:1] + CONTAINERS[2:] else str(entry.kind)


def _middles(source: Path, crowded: bool, most: int = 100) -> Iterator[str]:
    middle = f"{source.stem}-{source.suffix.lstrip('.').lower()}" if crowded else source.stem
    yield middle
    for number in range(2, most):
        yield f"{middle}-{number}"


def made_of(path: Path) -> str | None:
    """Folder and name of the file that a result was made of; None without a result, '' when it does not say."""
    if not path.exists():
        return None
    with suppress(Exception):  # whatever lies there was perhaps not made by us
        return _matroska(path) if path.suffix == ".mkv" else _image(path)
    return ""


def _image(path: Path) -> str:
    from PIL import Image

    with Image.open(path, formats=("PNG", "TIFF")) as image:
        if image.format == "TIFF":
            return str(image.tag_v2.get(DOCUMENT_NAME, ""))  # type: ignore[attr-defined]
        return str(image.info.get(SOURCE, ""))


def _matroska(path: Path) -> str:
    import av

    with av.open(str(path)) as reader:
        return str(reader.metadata.get(SOURCE_TAG, ""))
