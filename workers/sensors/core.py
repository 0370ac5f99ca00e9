"""Sensor readings, and several sensors read as one. What cannot be read is None with a reason, never 0."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol


class Unreadable(Exception):
    """This machine has no such sensor, or we may not read it; the message says which."""


@dataclass(frozen=True)
class Reading:
    """The values at one moment; None where a sensor has none."""

    power_w: float | None = None
    """Momentary power."""
    energy_j: float | None = None
    """A counter that only grows; differences count."""
    temperature_c: float | None = None
    clock_mhz: float | None = None
    memory_mib: float | None = None
    """Of the accelerator, all processes."""
    throttled: tuple[str, ...] | None = None
    """Why the clock is throttled now, or was since the last reading; empty when it is not."""
    strangers: int | None = None
    """Other processes on the accelerator."""
    at: float = field(default_factory=time.perf_counter)
    """Seconds of ``time.perf_counter``."""


class Sensor(Protocol):
    """One source of readings."""

    @property
    def name(self) -> str:
        """For the record, for example ``nvml``."""

    def read(self) -> Reading:
        """Now; a value that fails to be read is None."""


@dataclass(frozen=True)
class Sensors:
    """All sensors of a machine; each value is that of the first sensor that has it."""

    parts: tuple[Sensor, ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()
    """(sensor, why it is not used)."""

    def read(self) -> Reading:
        """One reading of all."""
        return merge([part.read() for part in self.parts])

    def why_not(self, what: str) -> str:
        """Why no sensor gives ``what``, in one line."""
        tried = "; ".join(f"{name}: {reason}" for name, reason in self.reasons)
        have = ", ".join(part.name for part in self.parts)
        asked = f"{have} does not tell it" if have else ""
        return "; ".join(part for part in (asked, tried) if part) or f"no sensor for {what}"


def merge(readings: Sequence[Reading]) -> Reading:
    """The first value of each that a reading has; throttle reasons of all.

    >>> both = merge([Reading(power_w=None), Reading(power_w=3.0, throttled=("heat",))])
    >>> both.power_w, both.energy_j, both.throttled
    (3.0, None, ('heat',))
    """
    values: dict[str, float | int | None] = {}
    for name in (f.name for f in fields(Reading) if f.name not in ("throttled", "at")):
        values[name] = next((getattr(r, name) for r in readings if getattr(r, name) is not None), None)
    throttling = [r.throttled for r in readings if r.throttled is not None]
    throttled = tuple(dict.fromkeys(reason for reasons in throttling for reason in reasons)) if throttling else None
    at = readings[-1].at if readings else time.perf_counter()
    return Reading(**values, throttled=throttled, at=at)  # type: ignore[arg-type]
