"""Sound, subtitles, covers, attachments, chapters and names of a video, carried to its enlarged copy as they are."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from workers.upscale.inputs import is_cover

FILE_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")
STREAM_TAGS = ("encoder", "handler_name", "vendor_id", "duration", "alpha_mode", "bps", "number_of_")
"""What the writer says itself, or is of the smaller film (beginnings, in small letters)."""


class OtherStreams:
    """Those beside the film that the writer's container holds; ``notes`` tells of the others."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self.writer = writer
        self.copies: dict[int, Any] = {}
        self.ends: dict[int, int] = {}
        self.shifts: dict[int, int] = {}
        self.notes: list[str] = []
        writer.metadata.update(_kept(reader.metadata, FILE_TAGS))
        writer.set_chapters(reader.chapters())

    @property
    def indices(self) -> list[int]:
        """Of the reader's streams whose packets ``copy`` takes."""
        return list(self.copies)

    def copy(self, packet: Any) -> None:
        """Write a packet of one of them as it is; where its times go back, after what came before."""
        # The packet that flushes a decoder carries nothing.
        if packet.dts is None:
            return
        index = packet.stream.index
        shift, end = self.shifts.get(index, 0), self.ends.get(index)
        if end is not None and packet.dts + shift < end - 2 * (packet.duration or 0) - 1:
            shift = self.shifts[index] = end - packet.dts
        packet.dts += shift
        packet.pts = None if packet.pts is None else packet.pts + shift
        self.ends[index] = packet.dts + (packet.duration or 1)
        packet.stream = self.copies[index]
        self.writer.mux(packet)

    def add(self, stream: Any) -> None:
        """Make room for one; in the order of the reader's."""
        if stream.type == "video" and not is_cover(stream):
            return
        if stream.type == "attachment":
            if self.writer.format.name == "matroska":
                name = stream.metadata.get("filename", f"attachment-{stream.index}")
                self.writer.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)
            else:
                self._leave_out(stream)
        elif stream.type in ("audio", "subtitle", "video") and _holds(self.writer.format.name, stream):
            copy = self.writer.add_stream_from_template(stream)
            copy_tags(stream, copy)
            self.copies[stream.index] = copy
        else:
            self._leave_out(stream)

    def _leave_out(self, stream: Any) -> None:
        kind = "cover picture" if stream.type == "video" else f"{stream.type} stream"
        context = stream.codec_context
        codec = f" ({context.name})" if context is not None else ""
        self.notes.append(f"{kind} {stream.index}{codec} is left out: {self.writer.format.name} does not take it")


def copy_tags(stream: Any, copy: Any) -> None:
    """Language, title and the marks default, forced and the like."""
    copy.metadata.update(_kept(stream.metadata, STREAM_TAGS))
    copy.disposition = stream.disposition


def _kept(metadata: dict[str, str], without: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return ((key, value) for key, value in metadata.items() if not key.lower().startswith(without))


def _holds(form: str, stream: Any) -> bool:
    """Whether a container takes a stream's codec: asked of the writer itself, with a file in memory."""
    import av

    try:
        with av.open(io.BytesIO(), "w", format=form) as trial:
            copy_tags(stream, trial.add_stream_from_template(stream))
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError, NotImplementedError):
        return False
    return True
