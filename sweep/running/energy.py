"""The energy that this machine takes while it trains a sweep, from its own counters."""

from __future__ import annotations

import time
from collections.abc import Sequence

from workers.sensors import Sensors, find_sensors

READ_EVERY_S = 30.0
"""Counters of processors wrap after minutes to hours; they are read more often than that."""


class EnergyMeter:
    """Joules of all that runs on the machine, from now on: of its processors and memory, and of its GPUs.

    Only a machine that trains the whole sweep itself can tell: workers elsewhere are not on its counters.
    """

    def __init__(self, sensors: Sequence[Sensors], read_every_s: float = READ_EVERY_S) -> None:
        self._sensors, self._every = tuple(sensors), read_every_s
        self._first = [each.read().energy_j for each in self._sensors]
        self._read = time.monotonic()

    def tick(self) -> None:
        """Called now and then: reads the counters when it is time."""
        if time.monotonic() - self._read >= self._every:
            self._read = time.monotonic()
            for each in self._sensors:
                each.read()

    def joules(self) -> float | None:
        """So far; None when a counter is missing or has become unreadable: a part of the energy would mislead."""
        total = 0.0
        for each, first in zip(self._sensors, self._first, strict=True):
            now = each.read().energy_j
            if now is None or first is None:
                return None
            total += now - first
        return total if self._sensors else None


def meter(gpus: bool) -> EnergyMeter:
    """A meter of this machine's processors, and of the GPUs that it has when workers may hold them."""
    sensors = [find_sensors("cpu")]
    if gpus:
        import torch

        sensors += [find_sensors(f"cuda:{number}") for number in range(torch.cuda.device_count())]
    return EnergyMeter(sensors)
