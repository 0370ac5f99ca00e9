"""Photographs in memory: decoded once to uint8, whatever the file format, with a digest of their content."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from search_space.errors import BadData, first_line

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]
T = TypeVar("T")

MIN_SIDE = 24
"""Smallest usable side in pixels: x4, shaved and under SSIM's 11 x 11 window there is still something to measure."""
MAX_PIXELS = 100_000_000
"""Largest image decoded; a small file that claims more is a decompression bomb, not a photograph."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Named images, decoded: ``pixels[i]`` is uint8 (H, W, 3) RGB or (H, W) grey."""

    name: str
    names: tuple[str, ...]
    pixels: tuple[Pixels, ...]

    def __post_init__(self) -> None:
        if not self.pixels:
            raise BadData(f"image set {self.name!r} holds no images")
        if len(self.names) != len(self.pixels):
            raise BadData(f"image set {self.name!r}: {len(self.names)} names for {len(self.pixels)} images")

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def digest(self) -> str:
        """16 hex digits of the pixels, shapes and their order; file names, formats and the set's name do not count."""
        digest = hashlib.sha256()
        for pixels in self.pixels:
            digest.update(repr(pixels.shape).encode())
            digest.update(np.ascontiguousarray(pixels).data)
        return digest.hexdigest()[:16]

    @property
    def megapixels(self) -> float:
        """All images together, in millions of pixels."""
        return float(sum(p.shape[0] * p.shape[1] for p in self.pixels)) / 1e6


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why (one line)."""

    name: str
    reason: str


def join(name: str, sets: Sequence[ImageSet]) -> ImageSet:
    """One set of all images of ``sets``, in their order; names become ``SET/FILE``."""
    return ImageSet(
        name,
        tuple(f"{s.name}/{n}" for s in sets for n in s.names),
        tuple(p for s in sets for p in s.pixels),
    )


def read_folder(path: str | Path, name: str | None = None, strict: bool = False) -> tuple[ImageSet, list[Skipped]]:
    """Decode every image directly in a folder, in the order of file names.

    Files that are not images, are damaged, or are smaller than ``MIN_SIDE`` a side are left out and
    returned by name; with ``strict`` the first of them raises. Hidden files and subfolders are not looked at.

    Raises BadData: no such folder, nothing usable in it, or (``strict``) any file left out.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise BadData(f"{folder} is not a folder of images" if folder.exists() else f"there is no folder {folder}")
    try:
        files = sorted(f for f in folder.iterdir() if not f.is_dir() and not f.name.startswith("."))
    except OSError as error:
        raise BadData(f"cannot read folder {folder}: {error.strerror}") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata and raises real errors
        with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 1)) as pool:
            decoded = list(pool.map(_try_read, files))
    skipped = [Skipped(f.name, d) for f, d in zip(files, decoded, strict=True) if isinstance(d, str)]
    if strict and skipped:
        raise BadData(f"{folder / skipped[0].name}: {skipped[0].reason}" + _and_more(len(skipped) - 1))
    good = [(f.name, d) for f, d in zip(files, decoded, strict=True) if not isinstance(d, str)]
    if not good:
        first_skipped = f" ({skipped[0].name}: {skipped[0].reason}{_and_more(len(skipped) - 1)})" if skipped else ""
        raise BadData(f"no usable image in {folder}{first_skipped}")
    return ImageSet(name or folder.resolve().name, tuple(n for n, _ in good), tuple(p for _, p in good)), skipped


def read_image(path: str | Path) -> Pixels:
    """One image file as uint8 (H, W, 3) or (H, W); raises BadData with the reason when it cannot be used."""
    return decoded(path, MIN_SIDE, _upright)


def decoded(path: str | Path, least: int, convert: Callable[[Image.Image], T]) -> T:
    """What ``convert`` makes of an image file at least ``least`` pixels a side, opened as its first frame.

    Raises BadData with the reason when it cannot be used.
    """
    # Here, not above: training on images already in memory needs no Pillow.
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=formats()) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise BadData(f"claims {width} x {height} pixels (limit {MAX_PIXELS // 10**6} million)")
            if min(width, height) < least:
                raise BadData(f"only {width} x {height} pixels (at least {least} a side)")
            return convert(image)
    except UnidentifiedImageError:
        raise BadData("not an image") from None
    except Image.DecompressionBombError:
        raise BadData(f"claims too many pixels (limit {MAX_PIXELS // 10**6} million)") from None
    except FileNotFoundError:
        raise BadData(f"there is no file {path}") from None
    except BadData:
        raise
    except MemoryError:
        raise BadData("does not fit in memory") from None
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged bytes
        raise BadData(f"damaged or unreadable ({first_line(error, 120)})") from None


@lru_cache(maxsize=1)
def formats() -> tuple[str, ...]:
    """All that Pillow reads but EPS, for which it runs Ghostscript on the file."""
    from PIL import Image

    Image.init()
    return tuple(name for name in Image.ID if name != "EPS")


def _try_read(path: Path) -> Pixels | str:
    # Opening a pipe would wait for somebody to write to it.
    if not path.is_file():
        return "a link that leads nowhere" if path.is_symlink() and not path.exists() else "not a regular file"
    try:
        return read_image(path)
    except BadData as error:
        return str(error)


def _upright(image: Image.Image) -> Pixels:
    from PIL import ImageOps

    return to_uint8(ImageOps.exif_transpose(image))


def to_uint8(image: Image.Image) -> Pixels:
    """Any Pillow mode to 8 bits: deep greys are scaled by their range, transparency is laid over white."""
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey(image)
    if _has_transparency(image):
        from PIL import Image

        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, rgba).convert("L" if image.mode in ("L", "LA", "La") else "RGB")
    elif image.mode in ("1", "L"):
        image = image.convert("L")
    else:
        image = image.convert("RGB")
    return np.array(image, dtype=np.uint8)


def with_transparency(image: Image.Image) -> tuple[Pixels, Pixels | None]:
    """8 bits as ``to_uint8``, with the colours stored under the transparency, and the transparency (H, W).

    0 is clear and 255 solid; None when all of it is solid.
    """
    if image.mode.startswith("I") or not _has_transparency(image):
        return to_uint8(image), None
    rgba = image.convert("RGBA")
    alpha = np.array(rgba.getchannel("A"), dtype=np.uint8)
    pixels = np.array(rgba.convert("L" if image.mode in ("L", "LA", "La") else "RGB"), dtype=np.uint8)
    return pixels, None if alpha.min() == 255 else alpha


def _has_transparency(image: Image.Image) -> bool:
    return image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info


def _deep_grey(image: Image.Image) -> Pixels:
    """16-bit, 32-bit and floating grey: full range 65535, or 255 or 1 when nothing is brighter."""
    values: NDArray[Any] = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise BadData("holds NaN or infinite values")
    deep = image.mode.startswith("I;16") or values.max(initial=0) > 255
    top = 65535.0 if deep else (1.0 if image.mode == "F" and values.max(initial=0) <= 1 else 255.0)
    return np.clip(np.rint(values * (255.0 / top)), 0, 255).astype(np.uint8)


def _and_more(count: int) -> str:
    return f", and {count} more" if count > 0 else ""
