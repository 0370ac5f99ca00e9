"""How speed is measured, under a name that is stored with every measurement."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from search_space.errors import BadData

MAX_SIDE = 16384


@dataclass(frozen=True)
class SpeedProtocol:
    """Output size, number of timed frames, and everything else that a measurement depends on.

    A frame is one call of the network on ``batch`` luma images that already lie in the device's memory; the
    output stays there. Each of ``rounds`` rounds visits every config once, runs it once untimed (to fill the
    caches again) and times ``frames`` frames, or more of a quick one (``workers.timing.turns.visited``):
    a measurement is made of at least ``rounds * frames`` times.
    """

    name: str
    width: int
    height: int
    """Of the output, pixels."""
    rounds: int
    frames: int
    batch: int = 1
    threads: int | None = None
    """CPU threads; None takes every core this process may use."""
    channels_last: bool = False
    plain: bool = False
    """Measure the module as trained rather than its deployed form (``workers.export.deployed_form``)."""
    warm_frames: int = 30
    warm_seconds: float = 5.0
    """Warming stops when times are steady, and at the latest after this many frames or seconds."""
    group: int = 24
    """Configs that share rounds (A B C A B C), all of which are in memory at once."""

    @property
    def timed(self) -> int:
        """Frames that a measurement is made of, at least."""
        return self.rounds * self.frames

    def low_resolution(self, scale: int) -> tuple[int, int]:
        """Rows and columns of the input; rounded up where the scale does not divide the output."""
        return -(-self.height // scale), -(-self.width // scale)


FULLHD14 = SpeedProtocol("fullhd14", 1920, 1080, rounds=7, frames=2)
"""The paper's: 14 outputs of 1920 x 1080, batch 1."""
UHD14 = SpeedProtocol("uhd14", 3840, 2160, rounds=7, frames=2, group=10)
QHD5 = SpeedProtocol("qhd5", 960, 540, rounds=5, frames=1, warm_frames=6, warm_seconds=1.0)
"""A quarter of Full HD, five frames: seconds instead of minutes for a demonstration or a test."""

PROTOCOLS = {one.name: one for one in (FULLHD14, UHD14, QHD5)}


def protocol(name: str) -> SpeedProtocol:
    """The protocol of that name, or the variant that ``varied`` names so; raises BadData naming those there are.

    >>> protocol("fullhd14-t1-cl").threads, protocol("96x64x5").width
    (1, 96)
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    base, *changes = name.split("-")
    found = [one for one in (_of_size(base), PROTOCOLS.get(base)) if one is not None]
    known: dict[str, Any] = {}
    for change in changes:
        number = change[1:]
        if change in ("cl", "plain"):
            known["channels_last" if change == "cl" else "plain"] = True
        elif change[:1] in ("b", "t") and number.isdecimal():
            known["batch" if change[0] == "b" else "threads"] = int(number)
    made = varied(found[0], **known) if found else None
    if made is None or made.name != name:
        raise BadData(f"there is no speed protocol {name!r} (choose from {', '.join(PROTOCOLS)}, or a variant of them)")
    return made


def _of_size(name: str) -> SpeedProtocol | None:
    """The first protocol with as many timed frames as ``WIDTHxHEIGHTxFRAMES`` says, at that size."""
    parts = name.split("x")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        return None
    width, height, frames = map(int, parts)
    base = next((one for one in PROTOCOLS.values() if one.timed == frames), None)
    return None if base is None else varied(base, size=(width, height))


def varied(
    base: SpeedProtocol,
    *,
    size: tuple[int, int] | None = None,
    batch: int | None = None,
    threads: int | None = None,
    channels_last: bool = False,
    plain: bool = False,
) -> SpeedProtocol:
    """A variant with a name of its own, so that its measurements are never compared with the base's.

    ``size`` is (width, height) of the output. Raises BadData for impossible sizes or counts.

    >>> varied(FULLHD14, threads=1, channels_last=True).name
    'fullhd14-t1-cl'
    """
    out, name = base, base.name
    if size is not None and size != (base.width, base.height):
        width, height = size
        if not (16 <= width <= MAX_SIDE and 16 <= height <= MAX_SIDE):
            raise BadData(f"an output of {width} x {height} cannot be measured (16 to {MAX_SIDE} a side)")
        out, name = replace(out, width=width, height=height), f"{width}x{height}x{base.timed}"
    if batch is not None and batch != base.batch:
        if not 1 <= batch <= 256:
            raise BadData(f"a batch of {batch} cannot be measured (1 to 256)")
        out, name = replace(out, batch=batch), f"{name}-b{batch}"
    if threads is not None and threads != base.threads:
        if not 1 <= threads <= 1024:
            raise BadData(f"{threads} threads cannot be used (1 to 1024)")
        out, name = replace(out, threads=threads), f"{name}-t{threads}"
    if channels_last:
        out, name = replace(out, channels_last=True), f"{name}-cl"
    if plain:
        out, name = replace(out, plain=True), f"{name}-plain"
    return replace(out, name=name)
