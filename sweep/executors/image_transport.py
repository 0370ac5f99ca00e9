"""How images reach the workers: in Ray's object store, by a path they share, or by a URL (fsspec)."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_space.errors import BadData
from workers.data import datasets
from workers.data.image_set import ImageSet


@dataclass(frozen=True)
class Images:
    """The images of a sweep, decoded, as workers have them (``sweep.planning.data`` has them with the plan)."""

    train: ImageSet
    tests: tuple[ImageSet, ...]

    @property
    def digest(self) -> str:
        """Digest of the content of all sets, in order."""
        content = "/".join([self.train.digest, *(images.digest for images in self.tests)])
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ByPath:
    """Every worker reads the sets from ``root`` itself; they must be the driver's, pixel for pixel."""

    root: str | None
    train: tuple[str, ...]
    tests: tuple[str, ...]
    digest: str

    def fetch(self) -> Images:
        """Raises BadData when the folder is missing or holds other images."""
        images = Images(datasets.training_set(self.train, self.root), datasets.test_sets(self.tests, self.root))
        if images.digest != self.digest:
            raise BadData(f"the images under {self.root} on this machine are not those of the driver")
        return images


@dataclass(frozen=True)
class ByUrl:
    """Every worker fetches one archive; it is checked by its SHA-256 and read without pickle."""

    url: str
    sha256: str

    def fetch(self) -> Images:
        """Raises BadData when the archive is not there or is not the one the driver wrote."""
        import fsspec

        try:
            with fsspec.open(self.url, "rb") as file:
                content = file.read()
        except (OSError, ValueError, ImportError) as error:
            raise BadData(f"the images cannot be fetched from {self.url}: {error}") from None
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise BadData(f"{self.url} is not the archive the driver wrote (SHA-256 differs)")
        return unpack(content)


def to_archive(images: Images) -> bytes:
    """The sets as one ``.npz`` of plain arrays; ``unpack`` gives them back."""
    arrays: dict[str, NDArray[Any]] = {}
    for place, image_set in enumerate((images.train, *images.tests)):
        arrays[f"{place}/names"] = np.array([image_set.name, *image_set.names], dtype=np.str_)
        arrays |= {f"{place}/{i}": pixels for i, pixels in enumerate(image_set.pixels)}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(content: bytes) -> Images:
    """The inverse of ``to_archive``. Raises BadData for anything else."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            sets: list[ImageSet] = []
            while f"{len(sets)}/names" in arrays:
                place = len(sets)
                name, *names = (str(part) for part in arrays[f"{place}/names"])
                sets.append(ImageSet(name, tuple(names), tuple(arrays[f"{place}/{i}"] for i in range(len(names)))))
        return Images(sets[0], tuple(sets[1:]))
    except Exception as error:  # zipfile and NumPy raise many kinds on foreign bytes; none of them has run anything
        raise BadData(f"the archive of images cannot be read: {error}") from None


def put(images: Images, folder: str) -> ByUrl:
    """Write the archive under the folder ``folder`` (any fsspec URL) unless it is there already."""
    import fsspec

    content = to_archive(images)
    digest = hashlib.sha256(content).hexdigest()
    url = f"{folder.rstrip('/')}/edge-sweep-images-{digest[:16]}.npz"
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        if not filesystem.exists(path):
            filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            with filesystem.open(path, "wb") as file:
                file.write(content)
    except (OSError, ValueError, ImportError) as error:
        raise BadData(f"the images cannot be put under {folder}: {error}") from None
    return ByUrl(url, digest)


def transport(images: Images, via: str, root: str | None) -> Images | ByPath | ByUrl:
    """``images`` as they travel: ``via`` is ``store``, ``path`` or a URL. Raises BadData for anything else."""
    if via == "store":
        return images
    if via == "path":
        names = tuple(part for part in images.train.name.split("+") if part)
        return ByPath(root, names, tuple(image_set.name for image_set in images.tests), images.digest)
    if "://" in via:
        return put(images, via)
    raise BadData(f"--data-via {via!r} is not possible (store, path, or a URL such as s3://bucket/folder)")
