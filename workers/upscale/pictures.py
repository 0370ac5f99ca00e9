"""Pictures through Pillow: stills to PNG, animations to animated PNG, several pages to a TIFF."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from search_space.errors import BadData
from workers.data.image_set import MAX_PIXELS, Pixels, decoded, with_transparency
from workers.export import write
from workers.upscale.about import About, about
from workers.upscale.model import Upscaler
from workers.upscale.profiles import shown

if TYPE_CHECKING:
    from PIL import Image

ANIMATIONS = ("GIF", "WEBP", "PNG", "AVIF", "FLI")
LAYERED = ("PSD",)
"""Formats whose first frame is the picture and whose others are parts of it."""
VIEWS = ("MPO",)
"""Formats whose first frame is the picture and whose others are pictures of another kind: depth, gain, a second eye."""
PALETTES_CHANGE = ("GIF", "FLI")
"""Formats whose first frame may be grey and a later one coloured."""
SUBFILE, REDUCED = 254, 1
DEFAULT_MS = 100.0
"""Shown for an animation's frame that does not say how long."""

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Frame:
    """One page or frame: pixels (H, W, 3) or (H, W), transparency (H, W) or None."""

    pixels: Pixels
    alpha: Pixels | None
    about: About
    milliseconds: float = 0.0


@dataclass(frozen=True)
class Picture:
    """A picture file, decoded."""

    frames: tuple[Frame, ...]
    animated: bool
    plays: int
    """How often an animation is shown; 0 is for ever."""
    notes: tuple[str, ...]
    """What was changed because the result cannot hold it, one line each."""
    left_out: str | None = None
    """What of the file is not enlarged; None when all of it is."""


@dataclass(frozen=True)
class _Layout:
    """Which frames of a file are enlarged."""

    indices: tuple[int, ...]
    animated: bool
    notes: tuple[str, ...] = ()
    left_out: str | None = None

    @property
    def ending(self) -> str:
        return ".png" if self.animated or len(self.indices) == 1 else ".tif"


def ending(path: Path) -> str:
    """Of the result's name, ``.png`` or ``.tif``. Raises BadData with the reason when the file cannot be used."""
    return decoded(path, 1, lambda image: _layout(image).ending)


def read(path: Path) -> Picture:
    """Raises BadData with the reason when the file cannot be used."""
    return decoded(path, 1, lambda image: _read(image, path))


def _layout(image: Image.Image) -> _Layout:
    count, form = getattr(image, "n_frames", 1), image.format
    if count == 1 or form in LAYERED:
        return _Layout((0,), False)
    if form in VIEWS:
        return _Layout((0,), False, left_out=f"only the first of its {count} pictures is enlarged")
    if form in ANIMATIONS:
        first = 1 if image.info.get("default_image") else 0
        return _Layout(tuple(range(first, count)), count - first > 1)
    pages = tuple(index for index in range(count) if not index or not _is_reduced(image, index))
    smaller = count - len(pages)
    notes = (f"{smaller} smaller cop{'y' if smaller == 1 else 'ies'} of a page in it left out",) if smaller else ()
    return _Layout(pages, False, notes)


def _is_reduced(image: Image.Image, page: int) -> bool:
    image.seek(page)
    return bool(int(getattr(image, "tag_v2", {}).get(SUBFILE, 0)) & REDUCED)


def _read(image: Image.Image, path: Path) -> Picture:
    layout = _layout(image)
    many = len(layout.indices)
    if many > 1 and many * image.width * image.height > MAX_PIXELS:
        raise BadData(f"its {many} frames have over {MAX_PIXELS // 10**6} million pixels: make a video of it first")
    plays = _plays(image)
    frames = []
    notes = dict.fromkeys(layout.notes)
    for index in layout.indices:
        image.seek(index)
        frame, said = _frame(image, path)
        frames.append(frame)
        notes |= dict.fromkeys(said)
    return Picture(tuple(frames), layout.animated, plays, tuple(notes), layout.left_out)


def _frame(image: Image.Image, path: Path) -> tuple[Frame, tuple[str, ...]]:
    from PIL import ImageOps

    said = ["its 16 or more bits per sample become 8"] if _is_deep(image) else []
    image.load()
    milliseconds = float(image.info.get("duration") or 0)
    seen, profile, changed = shown(ImageOps.exif_transpose(image))
    told, unread = about(image, path)
    if image.format in PALETTES_CHANGE:
        seen = seen.convert("RGBA")
    return Frame(*with_transparency(seen), replace(told, profile=profile), milliseconds), (*said, *unread, *changed)


def _is_deep(image: Image.Image) -> bool:
    """Whether an image that is not yet loaded has more than 8 bits per sample: Pillow reads RGB as 8."""
    return image.mode == "F" or image.mode.startswith("I") or ";16" in str(getattr(image, "tile", ""))


def _plays(image: Image.Image) -> int:
    loop = image.info.get("loop")
    if image.format == "GIF":
        # A GIF says how often it is repeated, a PNG how often it is shown.
        return 1 if loop is None else 0 if loop == 0 else int(loop) + 1
    return int(loop or 0)


def upscale_picture(picture: Picture, source: Path, target: Path, upscaler: Upscaler, progress: Progress) -> None:
    """Write the enlarged picture. Raises BadData when ``target`` cannot be written."""
    from PIL import Image

    made = []
    solid = all(frame.alpha is None for frame in picture.frames)
    for index, frame in enumerate(picture.frames):
        alpha = frame.alpha
        if picture.animated and not solid and alpha is None:
            alpha = np.full(frame.pixels.shape[:2], 255, np.uint8)
        made.append(Image.fromarray(upscaler.image(frame.pixels, alpha)))
        progress(index + 1, len(picture.frames))
    name = label(source)
    buffer = io.BytesIO()
    if len(made) > 1 and not picture.animated:
        _save_pages(buffer, made, picture, name)
    else:
        options = picture.frames[0].about.png_options(made[0].size, name)
        if picture.animated:
            options |= _animation_options(made, picture)
        made[0].save(buffer, "PNG", **options)
    write(buffer.getvalue(), target)


def label(source: Path) -> str:
    """How a result names what it was made of: folder and file."""
    whole = source.resolve()
    return f"{whole.parent.name}/{whole.name}"


def _animation_options(made: list[Any], picture: Picture) -> dict[str, Any]:
    durations = [frame.milliseconds or DEFAULT_MS for frame in picture.frames]
    return {"save_all": True, "append_images": made[1:], "duration": durations, "loop": picture.plays}


def _save_pages(buffer: io.BytesIO, made: list[Any], picture: Picture, name: str) -> None:
    from PIL.TiffImagePlugin import AppendingTiffWriter

    with AppendingTiffWriter(buffer) as writer:
        for image, frame in zip(made, picture.frames, strict=True):
            image.save(writer, "TIFF", **frame.about.tiff_options(image.size, name))
            writer.newFrame()
