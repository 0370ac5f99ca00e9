"""CPU time used by this and other processes during a measurement."""

from __future__ import annotations

import time

import psutil

from workers.timing.disturbance import Window


class CpuWatch:
    """Reads CPU time at two moments: when it is made and at ``stop()``."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.cores = psutil.cpu_count() or 1
        self.at = time.perf_counter()
        self.own, self.busy, self.stolen = self._own(), *self._machine()

    def stop(self) -> Window:
        """What happened since it was made."""
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
        own_times = self.process.cpu_times()
        return total + getattr(own_times, "children_user", 0.0) + getattr(own_times, "children_system", 0.0)

    @staticmethod
    def _machine() -> tuple[float, float]:
        """(busy, stolen) seconds of all cores; time of guests is part of user, so it is not added again."""
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        stolen = getattr(times, "steal", 0.0)
        guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
        return sum(times) - idle - stolen - guests, stolen
