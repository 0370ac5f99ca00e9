"""Power while a network runs, and the energy per frame above that of the idle machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workers.sensors import Reading, Sensors

Frame = Callable[[], Any]
RUN_SECONDS = 2.0
"""Long enough for a counter that is updated ten times per second."""
IDLE_SECONDS = 2.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Energy:
    """Power and energy of a continuous run."""

    power_w: float
    """Mean over the run, idle included."""
    energy_j: float | None
    """Per frame, idle subtracted; None where the run drew no more than the idle machine."""
    why: str | None = None
    """Why there is no energy."""


def mean_power(first: Reading, last: Reading, polled: list[float]) -> float | None:
    """W between two readings: by the energy counter where there is one, else the mean of what was polled.

    None where neither gives more than 0 W: a counter that stands still while the machine runs does not work.
    """
    if first.energy_j is not None and last.energy_j is not None and last.at > first.at:
        watts = (last.energy_j - first.energy_j) / (last.at - first.at)
    else:
        watts = sum(polled) / len(polled) if polled else 0.0
    return watts if watts > 0 else None


def per_frame(power_w: float, idle_w: float, seconds: float, frames: int) -> Energy:
    """Energy per frame above idle.

    >>> per_frame(power_w=12.0, idle_w=4.0, seconds=2.0, frames=8)
    Energy(power_w=12.0, energy_j=2.0, why=None)
    """
    if power_w <= idle_w:
        return Energy(power_w, None, f"the run drew {power_w:.3g} W, no more than the idle machine's {idle_w:.3g} W")
    return Energy(power_w, (power_w - idle_w) * seconds / frames)


def idle_power(sensors: Sensors, seconds: float = IDLE_SECONDS) -> float | None:
    """W of the machine doing nothing, or None where no sensor gives a power above 0."""
    first = sensors.read()
    if first.energy_j is None and first.power_w is None:
        return None
    with _Poller(sensors) as poller:
        time.sleep(seconds)
    return mean_power(first, sensors.read(), poller.watts)


def run_power(
    frame: Frame, watch: Callable[[Frame], float], sensors: Sensors, idle_w: float, seconds: float = RUN_SECONDS
) -> Energy | None:
    """Run frames without a pause for ``seconds`` and compare with idle."""
    frames, first = 0, sensors.read()
    with _Poller(sensors) as poller:
        while time.perf_counter() - first.at < seconds or frames == 0:
            watch(frame)
            frames += 1
    last = sensors.read()
    power = mean_power(first, last, poller.watts)
    return None if power is None else per_frame(power, idle_w, last.at - first.at, frames)


class _Poller:
    """Reads momentary power in the background, unless there is an energy counter."""

    def __init__(self, sensors: Sensors) -> None:
        self.sensors, self.watts, self.end = sensors, list[float](), threading.Event()
        self.thread: threading.Thread | None = None

    def __enter__(self) -> _Poller:
        if self.sensors.read().energy_j is None:
            self.thread = threading.Thread(target=self._poll, daemon=True)
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end.set()
        if self.thread is not None:
            self.thread.join()

    def _poll(self) -> None:
        while not self.end.wait(POLL_SECONDS):
            power = self.sensors.read().power_w
            if power is not None:
                self.watts.append(power)
