"""Colour tags of a video: matrix, primaries, transfer, and where its chroma samples lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

UNSAID = 2
"""FFmpeg's number of a matrix, primaries or transfer that a file does not tell."""
RGB, BT709, BT601_625, BT601 = 0, 1, 5, 6
"""FFmpeg's numbers of matrices; 1, 5 and 6 are those of primaries too."""


@dataclass(frozen=True)
class Place:
    """Where a chroma sample of 4:2:0 lies among its four pixels, in pixels from the top left one's centre."""

    name: str
    across: float
    down: float


PLACES = {
    place.name: place
    for place in (
        Place("left", 0, 0.5), Place("center", 0.5, 0.5), Place("topleft", 0, 0), Place("top", 0.5, 0),
        Place("bottomleft", 0, 1), Place("bottom", 0.5, 1),
    )
}  # fmt: skip
LEFT = PLACES["left"]


def colour_tags(frame: Any) -> dict[str, int]:
    """Matrix, primaries and transfer that the enlarged copy of a frame is to say.

    Players guess what a file does not say from its size, as mpv does: so the guess for the size it came in is
    written down. RGB becomes YCbCr of the matrix that fits its size.
    """
    matrix, primaries = int(frame.colorspace), int(frame.color_primaries)
    large = frame.width >= 1280 or frame.height > 576
    if matrix in (RGB, UNSAID):
        matrix = BT709 if large else BT601
    if primaries == UNSAID:
        small = BT601_625 if frame.height == 576 else BT601 if frame.height in (480, 486, 488) else BT709
        primaries = BT709 if large else small
    return {"colorspace": matrix, "color_primaries": primaries, "color_trc": int(frame.color_trc)}


def described_place(reader: Any, index: int) -> Place:
    """As FFmpeg describes stream ``index`` of an open file; left, as players take it, where the file does not say."""
    import av

    level = av.logging.get_level()
    # Only its log says where chroma lies, and only at this level.
    av.logging.set_level(av.logging.VERBOSE)
    av.logging.set_libav_level(av.logging.VERBOSE)
    try:
        text = reader.dumps_format()
    finally:
        av.logging.set_libav_level(av.logging.INFO)
        av.logging.set_level(level)
    line = next((line for line in text.splitlines() if re.match(rf"\s*Stream #0:{index}\b", line)), "")
    told = re.search(rf"\([^()]*\b({'|'.join(PLACES)})\)", line)
    return PLACES[told[1]] if told else LEFT
