"""What a video says about itself: the stream to enlarge, its times, colours, and how it is to be shown."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from search_space.errors import BadData
from workers.upscale.colour_tags import Place, colour_tags, described_place
from workers.upscale.inputs import is_cover


@dataclass(frozen=True)
class Clip:
    """Read from the container and the first frame."""

    index: int
    """Of the stream that is enlarged."""
    width: int
    height: int
    rate: Fraction
    """Frames per second, on average."""
    aspect: Fraction | None
    """Width over height of a pixel; None when the file does not say."""
    matrix: tuple[int, ...] | None
    """Nine numbers by which a player turns or mirrors the picture; None when it does not."""
    colours: dict[str, int]
    """Matrix, primaries and transfer of the result by FFmpeg's names and numbers."""
    place: Place
    """Of the chroma samples of a 4:2:0 frame."""
    deep: bool
    """More than 8 bits per sample."""
    hdr: dict[str, str]
    """Mastering display and light levels as parameters of x264."""
    frames: int | None
    """None when the file does not say."""
    end: float | None
    """Seconds at which the last frame should end; None when the file does not say."""
    notes: tuple[str, ...] = field(default=())
    """What the result does not hold, one line each."""

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
        stream = film(reader)
        try:
            first = next(reader.decode(stream), None)
        except av.error.InvalidDataError:
            first = None
        if first is None:
            raise BadData("not one frame of its video can be decoded")
        bits = max(component.bits for component in first.format.components)
        return Clip(
            index=stream.index,
            width=first.width,
            height=first.height,
            rate=stream.average_rate or stream.guessed_rate or Fraction(25),
            aspect=stream.sample_aspect_ratio or None,
            matrix=_display_matrix(first),
            colours=colour_tags(first),
            place=described_place(reader, stream.index),
            deep=bits > 8,
            hdr=_hdr(first),
            frames=stream.frames or None,
            end=_end(reader, stream),
            notes=_notes(reader, stream, first, bits),
        )


def film(reader: Any) -> Any:
    """The video stream that FFmpeg calls the best, never an attached picture. Raises BadData when there is none."""
    films = [stream for stream in reader.streams.video if not is_cover(stream)]
    if not films:
        raise BadData("holds no video")
    best = reader.streams.best("video")
    return best if best in films else films[0]


def _notes(reader: Any, stream: Any, frame: Any, bits: int) -> tuple[str, ...]:
    notes = []
    others = sum(1 for other in reader.streams.video if not is_cover(other)) - 1
    if others:
        notes.append(f"{others} more video stream{'s' * (others > 1)} left out: stream {stream.index} is enlarged")
    if any(c.is_alpha for c in frame.format.components) or stream.metadata.get("alpha_mode") == "1":
        notes.append("its transparency is left out: H.264 holds none")
    if bits > 10:
        notes.append("its samples of more than 10 bits become 10")
    kinds = {kind.type.name for kind in frame.side_data}
    if any(kind.startswith(("DYNAMIC_HDR", "DOVI")) for kind in kinds):
        notes.append("its HDR data for each scene (HDR10+, Dolby Vision) is left out: it shows as plain HDR")
    return tuple(notes)


def _display_matrix(frame: Any) -> tuple[int, ...] | None:
    data = _side_data(frame, "DISPLAYMATRIX")
    return struct.unpack("9i", data) if data and len(data) == 36 else None


def _hdr(frame: Any) -> dict[str, str]:
    found = {}
    mastering, light = _side_data(frame, "MASTERING_DISPLAY_METADATA"), _side_data(frame, "CONTENT_LIGHT_LEVEL")
    if mastering and len(mastering) >= 88:
        numbers = struct.unpack("22i", mastering[:88])
        values = [n / d if d else 0.0 for n, d in zip(numbers[:20:2], numbers[1:20:2], strict=True)]
        red, green, blue, white = (
            f"({round(values[i] * 50000)},{round(values[i + 1] * 50000)})" for i in range(0, 8, 2)
        )
        darkest, brightest = round(values[8] * 10000), round(values[9] * 10000)
        if all(numbers[20:]):
            found["mastering-display"] = f"G{green}B{blue}R{red}WP{white}L({brightest},{darkest})"
    if light and len(light) >= 8:
        brightest, mean = struct.unpack("2I", light[:8])
        found["cll"] = f"{brightest},{mean}"
    return found


def _side_data(frame: Any, name: str) -> bytes | None:
    return next((bytes(data) for data in frame.side_data if data.type.name == name), None)


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
