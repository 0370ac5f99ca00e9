"""Video through PyAV (FFmpeg): each frame's luma by the network, everything else copied as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from search_space.atomic import replaced
from search_space.errors import BadData, MissingExtra
from workers.upscale.clip import Clip, look
from workers.upscale.frames import enlarged
from workers.upscale.inputs import NO_VIDEO_EXTRA
from workers.upscale.model import Upscaler
from workers.upscale.other_streams import OtherStreams, copy_tags
from workers.upscale.pictures import label
from workers.upscale.targets import SOURCE_TAG

CODECS = ("libx264", "mpeg4")
"""The first that this FFmpeg has."""
DEEP = "yuv420p10le"

CONTAINERS = (".mp4", ".mkv", ".mov")
Note = Callable[[str], None]
"""Called with what could not be kept, one line each."""
Progress = Callable[[int, int | None], None]
"""(frames done, frames in all or None when the file does not say)."""


def ending(source: Path) -> str:
    """Of the result's name: the container is kept where it is MP4, MOV or Matroska."""
    return source.suffix.lower() if source.suffix.lower() in CONTAINERS else ".mkv"


def upscale_video(
    source: Path, target: Path, upscaler: Upscaler, progress: Progress | None = None, note: Note | None = None
) -> int:
    """Write ``target`` (its ending chooses the container) and return the number of frames.

    Y of a video is studio-range luma already; only RGB is converted. Raises BadData when
    the file is no video or the target cannot be written, MissingExtra without PyAV. Also when the video is cut off or
    damaged: then ``target`` holds the frames that could be read, and the error says how many.
    """
    if find_spec("av") is None:
        raise MissingExtra(NO_VIDEO_EXTRA)
    import av

    say = note or (lambda text: None)
    try:
        clip = look(source)
        with replaced(target) as part, av.open(str(source)) as reader, av.open(str(part), "w") as writer:
            copy = _Copy(reader, writer, upscaler, clip, progress or (lambda done, total: None), say)
            if target.suffix == ".mkv":
                writer.metadata[SOURCE_TAG] = label(source)
            copy.run()
    except av.error.FFmpegError as error:
        raise BadData(f"cannot be used as a video ({error.strerror or error})") from None
    except OSError as error:
        raise BadData(f"cannot write {target}: {error.strerror}") from None
    if copy.damaged or clip.lacks(copy.frames, copy.end):
        promised = f" of {clip.frames}" if clip.frames else ""
        raise BadData(f"cut off or damaged: {copy.frames}{promised} frames could be read, {target} holds them")
    return copy.frames


class _Copy:
    """Copies one video from a reader to a writer, enlarged."""

    def __init__(
        self, reader: Any, writer: Any, upscaler: Upscaler, clip: Clip, progress: Progress, note: Note
    ) -> None:
        self.reader, self.writer, self.upscaler, self.clip = reader, writer, upscaler, clip
        self.progress, self.note = progress, note
        self.picture = reader.streams[clip.index]
        self.picture.thread_type = "AUTO"
        self.others = OtherStreams(reader, writer)
        for stream in reader.streams:
            if stream.index == clip.index:
                self.out = _encoder(writer, stream, upscaler.scale, clip)
            else:
                self.others.add(stream)
        self.frames, self.end, self.damaged = 0, 0.0, False
        self.last = self.shift = Fraction(0)
        self.said: set[str] = set()

    def run(self) -> None:
        """Copy all frames that can be read; ``damaged`` is set where some could not."""
        for text in (*self.clip.notes, *self.others.notes):
            self._say(text)
        for packet in self._packets():
            if packet.stream.index in self.others.copies:
                self.others.copy(packet)
                continue
            self.damaged |= bool(packet.is_corrupt)
            for frame in self._decoded(packet):
                self._write(frame)
        for ready in self.out.encode(None):
            self.writer.mux(ready)

    def _say(self, text: str) -> None:
        if text not in self.said:
            self.said.add(text)
            self.note(text)

    def _packets(self) -> Iterator[Any]:
        import av

        try:
            yield from self.reader.demux([self.reader.streams[i] for i in (self.clip.index, *self.others.indices)])
        except av.error.InvalidDataError:
            self.damaged = True

    def _decoded(self, packet: Any) -> list[Any]:
        import av

        try:
            return list(packet.decode())
        except av.error.InvalidDataError:
            self.damaged = True
            return []

    def _write(self, frame: Any) -> None:
        length = float(frame.duration * frame.time_base) if frame.duration else 1 / float(self.clip.rate)
        if frame.pts is None:
            frame.pts = round(self.end / self.picture.time_base)
            frame.time_base = self.picture.time_base
        if self.frames and frame.pts * frame.time_base + self.shift <= self.last:
            self._say("its times go back on the way: what follows is shown after what came before")
            self.shift = round(self.end / frame.time_base) * frame.time_base - frame.pts * frame.time_base
        frame.pts += round(self.shift / frame.time_base)
        self.last = frame.pts * frame.time_base
        self.end = max(self.end, float(self.last) + length)
        matrix, deep = self.clip.colours["colorspace"], self.out.pix_fmt == DEEP
        made = enlarged(self._checked(frame), self.upscaler, matrix, self.clip.place, deep)
        for name, value in self.clip.colours.items():
            setattr(made, name, value)
        for ready in self.out.encode(made):
            self.writer.mux(ready)
        self.frames += 1
        self.progress(self.frames, self.clip.frames)

    def _checked(self, frame: Any) -> Any:
        """The frame in the size of the first; what of it is not kept is said."""
        if frame.interlaced_frame:
            self._say("interlaced: both fields of a frame are enlarged as one picture (deinterlace it first: bwdif)")
        if self.upscaler.scale % 2 and (self.clip.width % 2 or self.clip.height % 2):
            self._say("its sides are odd and so would be the result's: the last row or column is left out")
        if (frame.width, frame.height) == (self.clip.width, self.clip.height):
            return frame
        size = f"{self.clip.width} x {self.clip.height}"
        self._say(f"its size changes on the way: all of it is enlarged from the first frame's, {size}")
        pts, base, duration = frame.pts, frame.time_base, frame.duration
        resized = frame.reformat(width=self.clip.width, height=self.clip.height, interpolation="BICUBIC")
        resized.pts, resized.time_base, resized.duration = pts, base, duration
        return resized


def _encoder(writer: Any, picture: Any, scale: int, clip: Clip) -> Any:
    import av
    from av.codec.context import Flags
    from av.video.reformatter import ColorRange

    codec = next((name for name in CODECS if name in av.codecs_available), CODECS[-1])
    out = writer.add_stream(codec, rate=clip.rate)
    # 4:2:0 wants even sides: of an odd picture one row or column is left out.
    out.width, out.height = clip.width * scale // 2 * 2, clip.height * scale // 2 * 2
    out.pix_fmt = DEEP if clip.deep and codec == "libx264" else "yuv420p"
    context = out.codec_context
    context.time_base = picture.time_base
    context.flags |= Flags.frame_duration
    for name, value in clip.colours.items():
        setattr(context, name, value)
    context.color_range = ColorRange.MPEG
    if clip.aspect is not None:
        context.sample_aspect_ratio = clip.aspect
    if clip.matrix is not None:
        # The last row moves the turned picture into view, in pixels.
        out.set_display_matrix([v * scale if i in (6, 7) else v for i, v in enumerate(clip.matrix)])
    copy_tags(picture, out)
    if codec == "libx264":
        parameters = ":".join(f"{name}={value}" for name, value in clip.hdr.items())
        out.options = {"crf": "16", "preset": "medium", "chroma_sample_location": clip.place.name} | (
            {"x264-params": parameters} if parameters else {}
        )
    else:
        out.bit_rate = out.width * out.height * 4
    return out
