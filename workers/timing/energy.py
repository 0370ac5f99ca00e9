"""Power while a network runs, and the energy per frame above that of the idle machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from workers.sensors import Reading, Sensors

RUN_SECONDS = 2.0
"""Long enough for a momentary power that is the mean of a second, as that of NVIDIA's newer cards."""
COUNTED_SECONDS = 0.5
"""Long enough with an energy counter: what lies between two of its updates is exact. Updates are seen within 10 ms."""
IDLE_SECONDS = 2.0
SETTLE_SECONDS = 1.0
"""From the end of a computation until the machine counts as idle."""
COUNTER_POLL_SECONDS = 0.01
POLL_SECONDS = 0.05
"""Of a momentary power, which some boards tell by starting a program."""


@dataclass(frozen=True)
class Energy:
    """Power and energy of a continuous run."""

    power_w: float
    """Mean over the run, idle included."""
    energy_j: float | None
    """Per frame, idle subtracted; None where the run drew no more than the idle machine."""
    why: str | None = None
    """Why there is no energy."""


def mean_power(readings: Sequence[Reading]) -> float | None:
    """W over some readings in order: between the first and the last update of the energy counter where there is one,
    else the mean of the momentary power.

    None where neither gives more than 0 W: a counter that stands still while the machine runs does not work.

    >>> mean_power([Reading(energy_j=e, at=t) for e, t in ((1.0, 0.0), (1.0, 0.5), (3.0, 1.0), (3.0, 1.5), (9.0, 3.0))])
    3.0
    """
    known = [one for one in readings if one.energy_j is not None]
    # A counter that is seldom updated: what the whole run shows, early or late by a part of an update.
    updates = counter_updates(readings) if len(counter_updates(readings)) > 1 else known
    if len(updates) > 1 and updates[-1].at > updates[0].at:
        watts = ((updates[-1].energy_j or 0.0) - (updates[0].energy_j or 0.0)) / (updates[-1].at - updates[0].at)
    else:
        powers = [one.power_w for one in readings if one.power_w is not None]
        watts = sum(powers) / len(powers) if powers else 0.0
    return watts if watts > 0 else None


def counter_updates(readings: Sequence[Reading]) -> list[Reading]:
    """The readings at which the energy counter had just changed."""
    known = [one for one in readings if one.energy_j is not None]
    return [now for before, now in pairwise(known) if now.energy_j != before.energy_j]


def per_frame(power_w: float, idle_w: float, seconds: float, frames: int) -> Energy:
    """Energy per frame above idle.

    >>> per_frame(power_w=12.0, idle_w=4.0, seconds=2.0, frames=8)
    Energy(power_w=12.0, energy_j=2.0, why=None)
    """
    if power_w <= idle_w:
        return Energy(power_w, None, f"the run drew {power_w:.3g} W, no more than the idle machine's {idle_w:.3g} W")
    return Energy(power_w, (power_w - idle_w) * seconds / frames)


def idle_power(sensors: Sensors, seconds: float = IDLE_SECONDS, settle: float = SETTLE_SECONDS) -> float | None:
    """W of the machine doing nothing, or None where no sensor gives a power above 0.

    On a GPU to be asked after a network is ready there: a card with a program on it draws more than one without.
    """
    first = sensors.read()
    if first.energy_j is None and first.power_w is None:
        return None
    time.sleep(settle)
    with _Poller(sensors) as poller:
        time.sleep(seconds)
    return mean_power(poller.readings)


def run_power(
    run: Callable[[], int],
    sensors: Sensors,
    idle_w: float,
    seconds: float = RUN_SECONDS,
    counted: float = COUNTED_SECONDS,
) -> Energy | None:
    """Run frames without a pause and compare with idle. ``run`` brings some frames to their end, tens of
    milliseconds of them, and returns how many.

    It takes ``seconds``; with an energy counter until two of its updates lie ``counted`` seconds apart.
    """
    frames, began = 0, time.perf_counter()
    with _Poller(sensors) as poller:
        while frames == 0 or (time.perf_counter() - began < seconds and poller.counted < counted):
            frames += run()
        took = time.perf_counter() - began
    power = mean_power(poller.readings)
    return None if power is None else per_frame(power, idle_w, took, frames)


class _Poller:
    """Reads the sensors in the background, so that nothing waits for them."""

    def __init__(self, sensors: Sensors) -> None:
        self.sensors, self.readings, self.end = sensors, list[Reading](), threading.Event()
        self.thread = threading.Thread(target=self._poll, daemon=True)

    @property
    def counted(self) -> float:
        """Seconds between the first and the last update of the energy counter."""
        updates = counter_updates(tuple(self.readings))
        return updates[-1].at - updates[0].at if updates else 0.0

    def __enter__(self) -> _Poller:
        self.readings.append(self.sensors.read())
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end.set()
        self.thread.join()
        self.readings.append(self.sensors.read())

    def _poll(self) -> None:
        every = POLL_SECONDS if self.readings[0].energy_j is None else COUNTER_POLL_SECONDS
        while not self.end.wait(every):
            self.readings.append(self.sensors.read())
