"""Video through PyAV (FFmpeg): each frame's luma by the network, sound copied as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from search_space.atomic import replaced
from search_space.errors import BadData, MissingExtra
from workers.upscale.clip import Clip, look
from workers.upscale.colour import bicubic, to_uint8
from workers.upscale.inputs import NO_VIDEO_EXTRA
from workers.upscale.model import Upscaler

CODECS = ("libx264", "mpeg4")
"""The first that this FFmpeg has."""

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

    Y of a video is studio-range luma already, so no colour conversion is made on the way. Raises BadData when
    the file is no video or the target cannot be written, MissingExtra without PyAV. Also when the video is cut off or
    damaged: then ``target`` holds the frames that could be read, and the error says how many.
    """
    if find_spec("av") is None:
        raise MissingExtra(NO_VIDEO_EXTRA)
    import av

    try:
        clip = look(source)
        with replaced(target) as part, av.open(str(source)) as reader, av.open(str(part), "w") as writer:
            copy = _Copy(reader, writer, upscaler, clip, progress)
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

    def __init__(self, reader: Any, writer: Any, upscaler: Upscaler, clip: Clip, progress: Progress | None) -> None:
        self.reader, self.writer, self.upscaler, self.clip = reader, writer, upscaler, clip
        self.progress = progress or (lambda done, total: None)
        self.picture = reader.streams.video[0]
        self.picture.thread_type = "AUTO"
        self.out = _encoder(writer, self.picture, upscaler.scale, clip)
        self.sound = {stream.index: writer.add_stream_from_template(stream) for stream in reader.streams.audio}
        self.frames, self.end, self.damaged = 0, 0.0, False

    def run(self) -> None:
        """Copy all frames that can be read; ``damaged`` is set where some could not."""
        for packet in self._packets():
            if packet.stream.index in self.sound:
                # The packet that flushes a decoder carries no sound.
                if packet.dts is not None:
                    packet.stream = self.sound[packet.stream.index]
                    self.writer.mux(packet)
                continue
            self.damaged |= bool(packet.is_corrupt)
            for frame in self._decoded(packet):
                self._write(frame)
        for ready in self.out.encode(None):
            self.writer.mux(ready)

    def _packets(self) -> Iterator[Any]:
        import av

        try:
            yield from self.reader.demux([self.picture, *self.reader.streams.audio])
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
        if frame.pts is not None:
            length = float(frame.duration * frame.time_base) if frame.duration else 1 / float(self.clip.rate)
            self.end = max(self.end, float(frame.pts * frame.time_base) + length)
        made = enlarged(frame, self.upscaler)
        for name, value in self.clip.colours.items():
            setattr(made, name, value)
        for ready in self.out.encode(made):
            self.writer.mux(ready)
        self.frames += 1
        self.progress(self.frames, self.clip.frames)


def _encoder(writer: Any, picture: Any, scale: int, clip: Clip) -> Any:
    import av
    from av.video.reformatter import ColorRange

    codec = next((name for name in CODECS if name in av.codecs_available), CODECS[-1])
    out = writer.add_stream(codec, rate=clip.rate)
    # 4:2:0 wants even sides: of an odd picture one row or column is left out.
    out.width, out.height = picture.width * scale // 2 * 2, picture.height * scale // 2 * 2
    out.pix_fmt = "yuv420p"
    context = out.codec_context
    context.time_base = picture.time_base
    for name, value in clip.colours.items():
        setattr(context, name, value)
    context.color_range = ColorRange.MPEG
    if clip.aspect is not None:
        context.sample_aspect_ratio = clip.aspect
    if clip.rotation:
        out.set_display_rotation(clip.rotation)
    if codec == "libx264":
        out.options = {"crf": "16", "preset": "medium"}
    else:
        out.bit_rate = out.width * out.height * 4
    return out


def enlarged(frame: Any, upscaler: Upscaler) -> Any:
    """A frame (any pixel format) as an enlarged 4:2:0 frame with the same time stamp."""
    import av
    from av.video.reformatter import ColorRange

    planes = frame.reformat(format="yuv444p", dst_color_range=ColorRange.MPEG).to_ndarray().astype(np.float32)
    y = upscaler.luma(planes[0])
    whole = to_uint8(np.concatenate([y[None], bicubic(planes[1:], upscaler.scale)]))
    height, width = whole.shape[1] // 2 * 2, whole.shape[2] // 2 * 2
    made = av.VideoFrame.from_ndarray(np.ascontiguousarray(whole[:, :height, :width]), format="yuv444p")
    made.color_range = ColorRange.MPEG
    out = made.reformat(format="yuv420p")
    out.pts, out.time_base = frame.pts, frame.time_base
    return out
