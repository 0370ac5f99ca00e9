"""Video through PyAV (FFmpeg): each frame's luma by the network, sound copied as it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from search_space.errors import BadData, MissingExtra
from workers.upscale.colour import bicubic, to_uint8
from workers.upscale.model import Upscaler

SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts")
CODECS = ("libx264", "mpeg4")
"""The first that this FFmpeg has."""

Progress = Callable[[int, int | None], None]
"""(frames done, frames in all or None when the file does not say)."""


def upscale_video(source: Path, target: Path, upscaler: Upscaler, progress: Progress | None = None) -> int:
    """Write ``target`` (its ending chooses the container) and return the number of frames.

    Y of a video is studio-range luma already, so no colour conversion is made on the way. Raises BadData when
    the file is no video or the target cannot be written, MissingExtra without PyAV.
    """
    if find_spec("av") is None:
        raise MissingExtra("video needs PyAV: pip install 'edge-sweep[video]'")
    import av

    part = target.with_name(f".part-{target.name}")
    try:
        with ExitStack() as stack:
            reader = stack.enter_context(av.open(str(source)))
            if not reader.streams.video:
                raise BadData(f"{source} holds no video")
            writer = stack.enter_context(av.open(str(part), "w"))
            frames = _copy(reader, writer, upscaler, progress)
        part.replace(target)
    except av.error.FFmpegError as error:
        raise BadData(f"{source}: {error}") from None
    except OSError as error:
        raise BadData(f"cannot write {target}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return frames


def _copy(reader: Any, writer: Any, upscaler: Upscaler, progress: Progress | None) -> int:
    picture = reader.streams.video[0]
    picture.thread_type = "AUTO"
    out = _encoder(writer, picture, upscaler.scale)
    sound = {stream.index: writer.add_stream_from_template(stream) for stream in reader.streams.audio}
    total, done = picture.frames or None, 0
    for packet in reader.demux([picture, *reader.streams.audio]):
        if packet.stream.index in sound:
            # The packet that flushes a decoder carries no sound.
            if packet.dts is not None:
                packet.stream = sound[packet.stream.index]
                writer.mux(packet)
            continue
        for frame in packet.decode():
            for ready in out.encode(enlarged(frame, upscaler)):
                writer.mux(ready)
            done += 1
            if progress is not None:
                progress(done, total)
    for ready in out.encode(None):
        writer.mux(ready)
    return done


def _encoder(writer: Any, picture: Any, scale: int) -> Any:
    import av

    codec = next((name for name in CODECS if name in av.codecs_available), CODECS[-1])
    out = writer.add_stream(codec, rate=picture.average_rate or 25)
    # 4:2:0 wants even sides: of an odd picture one row or column is left out.
    out.width, out.height = picture.width * scale // 2 * 2, picture.height * scale // 2 * 2
    out.pix_fmt = "yuv420p"
    out.codec_context.time_base = picture.time_base
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
