"""The properties of a video that its enlarged copy keeps."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from search_space.errors import BadData

COLOURS = ("colorspace", "color_primaries", "color_trc")


@dataclass(frozen=True)
class Clip:
    """Read from the container and the first frame."""

    rate: Fraction
    """Frames per second, on average."""
    aspect: Fraction | None
    """Width over height of a pixel; None when the file does not say."""
    rotation: int
    """Degrees by which a player rotates the picture."""
    colours: dict[str, int]
    """Matrix, primaries and transfer by FFmpeg's names (``COLOURS``) and numbers."""
    frames: int | None
    """None when the file does not say."""
    end: float | None
    """Seconds at which the last frame should end; None when the file does not say."""

    def lacks(self, frames: int, end: float) -> bool:
        """Whether the file promises more than the ``frames`` read, the last of which ends at ``end`` seconds."""
        if self.frames is not None and frames >= self.frames:
            return False
        # Where both are known time decides: an edit list may hide frames that the count has.
        return self.end - end > 1.5 / float(self.rate) if self.end is not None else self.frames is not None


def look(source: Path) -> Clip:
    """Read one frame. Raises BadData when there is no video in it, or none that can be decoded."""
    import av

    with av.open(str(source)) as reader:
        if not reader.streams.video:
            raise BadData("holds no video")
        stream = reader.streams.video[0]
        try:
            first = next(reader.decode(stream), None)
        except av.error.InvalidDataError:
            first = None
        if first is None:
            raise BadData("not one frame of its video can be decoded")
        return Clip(
            rate=stream.average_rate or Fraction(25),
            aspect=stream.sample_aspect_ratio or None,
            rotation=int(first.rotation),
            colours={name: int(getattr(first, name)) for name in COLOURS},
            frames=stream.frames or None,
            end=_end(reader, stream),
        )


def _end(reader: Any, stream: Any) -> float | None:
    start = float((stream.start_time or 0) * stream.time_base)
    if stream.duration:
        return start + float(stream.duration * stream.time_base)
    # Matroska: hours:minutes:seconds of each stream, written when the file was finished.
    parts = stream.metadata.get("DURATION", "").split(":")
    if len(parts) == 3:
        try:
            return 3600 * float(parts[0]) + 60 * float(parts[1]) + float(parts[2])
        except ValueError:
            return None
    # The container's own length may be that of its sound.
    return None if reader.streams.audio or not reader.duration else reader.duration / 1e6
