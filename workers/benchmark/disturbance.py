"""Whether something else was using the machine while we measured."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil

OTHERS_LIMIT = 0.04
"""Share of the machine's CPU time that other processes may take before a round counts as disturbed."""
OTHERS_SLACK_S = 0.05
"""CPU seconds of others that are always forgiven: the kernel counts in steps of 10 ms."""


@dataclass(frozen=True)
class Window:
    """CPU time between two readings, in seconds."""

    wall: float
    own: float
    """Of this process and its children."""
    others: float
    """Of every other process, interrupts included."""
    steal: float
    """Taken by the hypervisor for other machines."""
    cores: int

    @property
    def others_share(self) -> float:
        """0 to 1 of the machine's CPU time, taken by others or stolen."""
        return (self.others + self.steal) / max(self.wall * self.cores, 1e-9)

    @property
    def own_percent(self) -> float:
        """0 to 100 of the machine's CPU time, used by us."""
        return min(100.0, 100 * self.own / max(self.wall * self.cores, 1e-9))

    def verdict(self) -> str | None:
        """Why this window is disturbed, in words, or None."""
        taken = self.others + self.steal
        if taken <= OTHERS_SLACK_S or self.others_share <= OTHERS_LIMIT:
            return None
        what = f"other processes took {100 * self.others_share:.0f} % of the CPU"
        return f"{what} ({self.steal:.2f} s stolen by the hypervisor)" if self.steal > 0.5 * taken else what


class CpuWatch:
    """Reads CPU time at two moments. ``start()``, work, ``stop()``."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.cores = psutil.cpu_count() or 1
        self.start()

    def start(self) -> None:
        """Remember the counters."""
        self.at = time.perf_counter()
        self.own, self.busy, self.stolen = self._own(), *self._machine()

    def stop(self) -> Window:
        """What happened since ``start``."""
        own = max(0.0, self._own() - self.own)
        busy, stolen = self._machine()
        wall = time.perf_counter() - self.at
        others = max(0.0, busy - self.busy - own)
        return Window(wall, own, others, max(0.0, stolen - self.stolen), self.cores)

    def _own(self) -> float:
        total = 0.0
        for process in (self.process, *self.process.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system
        mine = self.process.cpu_times()
        return total + getattr(mine, "children_user", 0.0) + getattr(mine, "children_system", 0.0)

    @staticmethod
    def _machine() -> tuple[float, float]:
        """(busy, stolen) seconds of all cores; time of guests is part of user, so it is not added again."""
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        stolen = getattr(times, "steal", 0.0)
        guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
        return sum(times) - idle - stolen - guests, stolen
