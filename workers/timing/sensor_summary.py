"""Sensor values of a measurement, and the reason for each that is missing: None and a reason, never 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from workers.sensors import Sensors
from workers.timing.disturbance import Visit
from workers.timing.energy import Energy

SENSED = ("power_w", "energy_j", "memory_mib", "temperature_c", "clock_mhz", "throttled")
"""Values that a machine may not provide; a measurement has each of them or the reason why not."""


@dataclass(frozen=True)
class Sensed:
    """Sensor values over the visits of a measurement; None where no sensor gave one."""

    temperature_c: float | None
    """The hottest."""
    clock_mhz: float | None
    """The median."""
    throttled: tuple[str, ...] | None
    """Every reason that was read; empty when the clock was never throttled."""


def sensed(visits: Sequence[Visit]) -> Sensed:
    """The readings of these visits, summarised."""
    readings = [one.reading for one in visits]
    temperatures = [one.temperature_c for one in readings if one.temperature_c is not None]
    clocks = [one.clock_mhz for one in readings if one.clock_mhz is not None]
    throttled = [one.throttled for one in readings if one.throttled is not None]
    return Sensed(
        max(temperatures, default=None),
        median(clocks) if clocks else None,
        tuple(sorted({reason for some in throttled for reason in some})) if throttled else None,
    )


def reasons(sensors: Sensors, energy: Energy | None, memory: str | None) -> dict[str, str]:
    """Why each of ``SENSED`` would be missing, in one line each; ``memory`` is that of the memory reader."""
    power = sensors.why_not("power")
    return {
        "power_w": power,
        "energy_j": (energy.why if energy is not None else None) or power,
        "memory_mib": memory or "it was not read",
        "temperature_c": sensors.why_not("temperature"),
        "clock_mhz": sensors.why_not("clock"),
        "throttled": sensors.why_not("throttling"),
    }


def missing(values: Mapping[str, Any], why: Mapping[str, str]) -> dict[str, str]:
    """The reasons of those ``values`` that are None.

    >>> missing({"power_w": None, "clock_mhz": 1500.0}, {"power_w": "no sensor", "clock_mhz": "no sensor"})
    {'power_w': 'no sensor'}
    """
    return {name: why[name] for name in SENSED if name in values and values[name] is None}
