"""A frame of a video as planes of floating point numbers in studio range, and enlarged planes as a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.upscale.colour_tags import BT601, BT601_625, BT709, LEFT, Place
from workers.upscale.model import Upscaler
from workers.upscale.resample import resample

Plane = NDArray[np.float32]

KR_KB = {BT709: (0.2126, 0.0722), BT601: (0.299, 0.114), BT601_625: (0.299, 0.114)}
YCBCR = ("yuv", "yuyv", "uyvy", "yvyu", "uyyv", "nv", "p0", "p2", "p4", "y2", "xv", "v30", "vuy", "ayuv", "gray", "ya")
"""Beginnings of FFmpeg's names of formats with luma and colour differences, or luma alone."""
FULL_RANGE = 2
"""FFmpeg's number."""


def enlarged(frame: Any, upscaler: Upscaler, matrix: int, place: Place, deep: bool) -> Any:
    """A frame (any pixel format) as an enlarged 4:2:0 frame in studio range, 8 bits or 10 where ``deep``.

    ``matrix`` is FFmpeg's number of the one that RGB is converted by; ``place`` is that of the chroma of a 4:2:0 frame,
    and is kept: other frames' chroma lies left. Odd sides lose a row or column. Times are the frame's own.
    """
    import av

    scale = upscaler.scale
    y, chroma = planes(frame, matrix)
    height, width = (side * scale // 2 * 2 for side in y.shape)
    steps = tuple(round(whole / part) for whole, part in zip(y.shape, chroma.shape[1:], strict=True))
    here = place if steps == (2, 2) else Place("own", *_own_place(steps))
    there = result_place(frame, place)
    big = upscaler.luma(y)[:height, :width]
    small = []
    for plane in chroma:
        rows = resample(plane, height // 2, *_line(scale, steps[0], here.down, there.down), axis=0)
        small.append(resample(rows, width // 2, *_line(scale, steps[1], here.across, there.across), axis=1))
    made = av.VideoFrame(width, height, "yuv420p10le" if deep else "yuv420p")
    for index, values in enumerate((big, *small)):
        _fill(made.planes[index], values, 10 if deep else 8)
    made.pts, made.time_base, made.duration = frame.pts, frame.time_base, frame.duration
    made.color_range = 1
    return made


def result_place(frame: Any, place: Place) -> Place:
    """Where the chroma of the enlarged 4:2:0 frame lies: as before where there were four pixels to a sample."""
    sides = frame.format.chroma_width(frame.width), frame.format.chroma_height(frame.height)
    return place if not frame.format.is_rgb and sides == (-(-frame.width // 2), -(-frame.height // 2)) else LEFT


def planes(frame: Any, matrix: int) -> tuple[Plane, Plane]:
    """Y (H, W) and CbCr (2, h, w), studio range of 8 bits (16..235 and 16..240) in floating point."""
    if not _is_ycbcr(frame.format):
        return _from_rgb(frame, matrix)
    bits = max(component.bits for component in frame.format.components)
    plain = frame if _is_planar(frame.format) else frame.reformat(format=_planar_name(frame, bits))
    read = [_read(plain, index) for index in range(1 if plain.format.name.startswith("gray") else 3)]
    bits = plain.format.components[0].bits
    full = int(frame.color_range) == FULL_RANGE or frame.format.name.startswith("yuvj")
    top = 2.0**bits - 1
    y = read[0] * np.float32(219 / top) + np.float32(16) if full else read[0] * np.float32(2.0 ** (8 - bits))
    if len(read) == 1:
        return y, np.full((2, -(-y.shape[0] // 2), -(-y.shape[1] // 2)), 128, np.float32)
    chroma = np.stack(read[1:])
    if full:
        return y, (chroma - np.float32(2 ** (bits - 1))) * np.float32(224 / top) + np.float32(128)
    return y, chroma * np.float32(2.0 ** (8 - bits))


def _is_ycbcr(form: Any) -> bool:
    return not form.is_rgb and not form.has_palette and form.name.startswith(YCBCR)


def _is_planar(form: Any) -> bool:
    name = form.name
    return name.startswith(("yuv4", "yuvj4", "yuva4", "gray")) and not form.is_big_endian and not name.endswith("f32le")


def _planar_name(frame: Any, bits: int) -> str:
    form = frame.format
    deep = "" if bits <= 8 else "10le" if bits <= 10 else "12le" if bits <= 12 else "16le"
    if len(form.components) <= 2:
        return f"gray{deep}"
    across = -(-frame.width // form.chroma_width(frame.width))
    down = -(-frame.height // form.chroma_height(frame.height))
    shape = {(1, 1): "444", (2, 1): "422", (2, 2): "420", (4, 1): "411" if not deep else "422"}.get(
        (across, down), "444"
    )
    return f"yuv{shape}p{deep}"


def _read(frame: Any, component: int) -> Plane:
    about = frame.format.components[component]
    plane = frame.planes[about.plane]
    kind = np.dtype("<u2") if about.bits > 8 else np.dtype("u1")
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width * kind.itemsize].copy().view(kind).astype(np.float32)


def _from_rgb(frame: Any, matrix: int) -> tuple[Plane, Plane]:
    deep = max(component.bits for component in frame.format.components) > 8
    pixels = frame.reformat(format="rgb48le" if deep else "rgb24").to_ndarray().astype(np.float32)
    pixels /= np.float32(65535 if deep else 255)
    red, blue = KR_KB.get(matrix, KR_KB[BT709])
    y = pixels @ np.array([red, 1 - red - blue, blue], np.float32)
    cb, cr = (pixels[..., 2] - y) / (2 * (1 - blue)), (pixels[..., 0] - y) / (2 * (1 - red))
    return y * np.float32(219) + np.float32(16), np.stack([cb, cr]) * np.float32(224) + np.float32(128)


def _own_place(steps: tuple[int, ...]) -> tuple[float, float]:
    """(across, down) of chroma that is not 4:2:0: on the first of its pixels across, as 4:2:2 and 4:1:1 have it."""
    return 0.0, (steps[0] - 1) / 2


def _line(scale: int, step: int, here: float, there: float) -> tuple[float, float]:
    """Where the first chroma sample of the result lies among those of the frame along an axis, and its step."""
    return ((there + 0.5) / scale - 0.5 - here) / step, 2 / (scale * step)


def _fill(plane: Any, values: Plane, bits: int) -> None:
    kind = np.dtype("<u2") if bits > 8 else np.dtype("u1")
    target = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    whole = np.clip(np.rint(values * np.float32(2.0 ** (bits - 8))), 0, 2**bits - 1).astype(kind)
    target[:, : plane.width * kind.itemsize] = np.ascontiguousarray(whole).view(np.uint8)
