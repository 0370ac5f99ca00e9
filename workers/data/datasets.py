"""Which image sets a sweep trains and tests on, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search_space.errors import BadData
from workers.data.embedded import embedded
from workers.data.image_set import ImageSet, Skipped, join, read_folder

TRAINING = ("T91", "General100")
"""The paper's training sets."""
TESTS = ("Set5", "Set14", "BSDS100", "Urban100", "Manga109")
"""The paper's test sets; never looked at in training."""


def resolve(name: str, root: str | Path | None = None, strict: bool = False) -> ImageSet:
    """The set called ``name``: embedded, a folder under ``root``, or (with a path separator) a folder anywhere.

    Raises BadData with the names that are there when it is none of these.
    """
    return resolve_with_skips(name, root, strict)[0]


def resolve_with_skips(
    name: str, root: str | Path | None = None, strict: bool = False
) -> tuple[ImageSet, list[Skipped]]:
    """``resolve``, and the files that were left out."""
    if name.startswith("embedded-"):
        return embedded(name), []
    if not name or name in (".", ".."):
        raise BadData(f"{name!r} is not the name of an image set")
    if "/" in name or "\\" in name:
        return read_folder(name, strict=strict)
    if root is None:
        raise BadData(f"image set {name!r} needs --data-root DIR (without one: embedded-train, embedded-test)")
    if not (Path(root) / name).is_dir():
        there = ", ".join(available(root)) or "nothing"
        raise BadData(f"there is no image set {name!r} in {root} (there is: {there})")
    return read_folder(Path(root) / name, name, strict)


def available(root: str | Path) -> tuple[str, ...]:
    """Names of the folders under a data root; raises BadData when the root is not a folder."""
    folder = Path(root)
    if not folder.is_dir():
        raise BadData(f"there is no data folder {folder}")
    return tuple(sorted(f.name for f in folder.iterdir() if f.is_dir() and not f.name.startswith(".")))


def training_set(names: Sequence[str] = (), root: str | Path | None = None, strict: bool = False) -> ImageSet:
    """One set to train on: ``names`` joined; by default T91 + General100 under ``root``, or the embedded photographs.

    Raises BadData for a set that is missing or when ``root`` holds neither default set.
    """
    chosen = tuple(names) or _present(TRAINING, root, "embedded-train", "training")
    sets = [resolve(name, root, strict) for name in dict.fromkeys(chosen)]
    return sets[0] if len(sets) == 1 else join("+".join(s.name for s in sets), sets)


def test_sets(names: Sequence[str] = (), root: str | Path | None = None, strict: bool = False) -> tuple[ImageSet, ...]:
    """The sets to measure on; by default those of the paper that are under ``root``, or the embedded ones."""
    chosen = tuple(names) or _present(TESTS, root, "embedded-test", "test")
    return tuple(resolve(name, root, strict) for name in dict.fromkeys(chosen))


@dataclass(frozen=True)
class Inventory:
    """What one folder under a data root holds; ``error`` when it cannot be used."""

    name: str
    images: int = 0
    megapixels: float = 0.0
    bytes: int = 0
    """Of the image files on disk."""
    smallest: tuple[int, int] | None = None
    """(width, height) of the image with the shortest side."""
    largest: tuple[int, int] | None = None
    """(width, height) of the image with most pixels."""
    digest: str | None = None
    skipped: tuple[Skipped, ...] = ()
    error: str | None = None


def inventory(name: str, root: str | Path | None = None) -> Inventory:
    """Decode a whole set and describe it; never raises for a bad folder."""
    try:
        images, skipped = resolve_with_skips(name, root)
    except BadData as error:
        return Inventory(name, error=str(error))
    sizes = [(p.shape[1], p.shape[0]) for p in images.pixels]
    used = [] if root is None or name.startswith("embedded-") else [Path(root) / name / n for n in images.names]
    return Inventory(
        name,
        len(images),
        round(images.megapixels, 3),
        sum(path.stat().st_size for path in used),
        min(sizes, key=min),
        max(sizes, key=lambda size: size[0] * size[1]),
        images.digest,
        tuple(skipped),
    )


def _present(names: tuple[str, ...], root: str | Path | None, fallback: str, what: str) -> tuple[str, ...]:
    if root is None:
        return (fallback,)
    folders = available(root)
    present = tuple(name for name in names if name in folders)
    if not present:
        raise BadData(
            f"{root} holds none of the {what} sets {', '.join(names)} (there is: {', '.join(folders) or 'nothing'})"
        )
    return present


test_sets.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever pytest thinks of its name
