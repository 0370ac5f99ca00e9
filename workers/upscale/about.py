"""What a picture says about itself, carried to its enlarged copy: colour profile, EXIF, XMP, comments, resolution."""

from __future__ import annotations

import io
import re
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

COLOUR_CHUNKS = (b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI")
"""Chunks of a PNG that say how its values are shown."""
STRUCTURE_TAGS = frozenset(
    [254, 255, 256, 257, 258, 259, 262, 263, 266, 269, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 321, 322, 323,
     324, 325, 330, 332, 336, 338, 339, 340, 341, 347, 512, 513, 514, 519, 520, 521, 529, 530, 531, 532, 700, 34675]
)  # fmt: skip
"""TIFF tags that describe how the pixels lie in the file, not the picture; profile and XMP are kept apart."""
XMP_KEYWORD = "XML:com.adobe.xmp"
SOURCE = "edge_sweep.source"
"""PNG text of a result: folder and name of the file that it was made of."""
DOCUMENT_NAME = 269
"""The TIFF tag for the same."""


@dataclass(frozen=True)
class About:
    """Read from one page of a picture."""

    profile: bytes | None = None
    """ICC."""
    exif: Any = None
    """``PIL.Image.Exif`` without orientation and structure."""
    xmp: bytes | None = None
    """Without an orientation."""
    resolution: tuple[float, float] | None = None
    """Dots per inch."""
    texts: dict[str, str] = field(default_factory=dict)
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    """``COLOUR_CHUNKS`` of a PNG."""

    def png_options(self, size: tuple[int, int], source: str) -> dict[str, Any]:
        """Options of Pillow's ``save`` for a PNG of ``size`` (width, height) made of ``source``."""
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        for name, data in self.chunks:
            info.add(name, data)
        if self.xmp:
            info.add_itxt(XMP_KEYWORD, self.xmp.decode("utf-8", "replace"))
        for keyword, text in ({**self.texts, SOURCE: source}).items():
            info.add_itxt(keyword, text)
        options: dict[str, Any] = {"pnginfo": info, "icc_profile": self.profile}
        if self.resolution:
            options["dpi"] = self.resolution
        if exif := self._sized(size):
            options["exif"] = exif
        return options

    def tiff_options(self, size: tuple[int, int], source: str) -> dict[str, Any]:
        """The same for one page of a TIFF."""
        from PIL.TiffImagePlugin import XMP, ImageFileDirectory_v2

        directory = ImageFileDirectory_v2()
        exif = self._sized(size)
        for tag, value in (exif or {}).items():
            directory[tag] = exif.get_ifd(tag) if tag in (0x8769, 0x8825) else value
        directory[DOCUMENT_NAME] = source
        if self.xmp:
            directory[XMP] = self.xmp
        options = {"tiffinfo": directory, "icc_profile": self.profile, "compression": "tiff_deflate"}
        return {**options, "dpi": self.resolution} if self.resolution else options

    def _sized(self, size: tuple[int, int]) -> Any:
        """The EXIF with the sides of the enlarged picture where it tells any."""
        from PIL.ExifTags import IFD, Base

        if not self.exif:
            return None
        inner = self.exif.get_ifd(IFD.Exif)
        for tag, side in zip((Base.ExifImageWidth, Base.ExifImageHeight), size, strict=True):
            if tag in inner:
                inner[tag] = side
        return self.exif


def about(image: Image.Image, path: Path) -> tuple[About, tuple[str, ...]]:
    """What the current frame of ``image``, decoded, says, and what of it cannot be read; ``path`` is its file."""
    info = image.info
    xmp = info.get("xmp")
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    if xmp:
        # The result is upright.
        xmp = re.sub(rb'tiff:Orientation="\d"|<tiff:Orientation>\d</tiff:Orientation>', b"", xmp)
    texts = {
        keyword: str(text)
        for keyword, text in getattr(image, "text", {}).items()
        if keyword not in (XMP_KEYWORD, SOURCE) and not keyword.startswith("Raw profile")
    }
    comment = info.get("comment")
    if comment:
        texts.setdefault("Comment", comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment))
    exif, said = _exif(image)
    told = About(
        info.get("icc_profile"),
        exif,
        xmp,
        _resolution(info.get("dpi")),
        texts,
        _chunks(path) if image.format == "PNG" else (),
    )
    return told, said


def _exif(image: Image.Image) -> tuple[Any, tuple[str, ...]]:
    from PIL import Image

    kept = Image.Exif()
    try:
        exif = image.getexif()
        for tag in STRUCTURE_TAGS & set(exif):
            del exif[tag]
        if not len(exif):
            return None, ()
        # Through bytes: what is inside is read now, while the file is open.
        kept.load(exif.tobytes())
    except Exception:  # Pillow raises nearly anything on a damaged EXIF
        return None, ("its EXIF is damaged and left out",)
    return kept, ()


def _resolution(dpi: Any) -> tuple[float, float] | None:
    with suppress(TypeError, ValueError, ZeroDivisionError):
        across, down = float(dpi[0]), float(dpi[1])
        if 0 < across < 1e6 and 0 < down < 1e6:
            return across, down
    return None


def _chunks(path: Path) -> tuple[tuple[bytes, bytes], ...]:
    found = []
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            if name in (b"IDAT", b"IEND"):
                break
            if name in COLOUR_CHUNKS and length <= 64:
                found.append((name, file.read(length)))
                file.seek(4, io.SEEK_CUR)
            else:
                file.seek(length + 4, io.SEEK_CUR)
    return tuple(found)
