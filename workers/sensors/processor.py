"""The CPU's clock, temperature and thermal throttling, from Linux sysfs."""

from __future__ import annotations

from pathlib import Path

from workers.sensors.core import Reading, Unreadable
from workers.sensors.sysfs import number, text

CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu")
"""hwmon drivers of a processor's temperature."""
ZONES = ("x86_pkg_temp", "cpu-thermal", "cpu_thermal", "CPU-therm", "soc-thermal", "soc_thermal", "acpitz")


class Processor:
    """Those of the three values that this machine has."""

    name = "cpu-sysfs"

    def __init__(self, root: Path = Path("/sys")) -> None:
        cpus = root / "devices" / "system" / "cpu"
        self.clocks = sorted(cpus.glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
        self.counters = sorted(cpus.glob("cpu[0-9]*/thermal_throttle/*_throttle_count"))
        self.temperatures = _temperatures(root)
        if not (self.clocks or self.counters or self.temperatures):
            raise Unreadable(f"no clock, temperature or throttle count of a CPU under {root} (a virtual machine?)")
        self.throttles = self._throttle_count()

    def read(self) -> Reading:
        """The hottest temperature, the mean clock, and whether it throttled since the last reading."""
        clocks = [value for path in self.clocks if (value := number(path)) is not None]
        heat = [value for path in self.temperatures if (value := number(path)) is not None]
        count, before = self._throttle_count(), self.throttles
        self.throttles = count
        return Reading(
            temperature_c=max(heat) / 1000 if heat else None,
            clock_mhz=sum(clocks) / len(clocks) / 1000 if clocks else None,
            throttled=None if not self.counters else ("thermal throttling",) if count > before else (),
        )

    def _throttle_count(self) -> float:
        return sum(number(path) or 0 for path in self.counters)


def _temperatures(root: Path) -> list[Path]:
    chips = [c for c in sorted(root.glob("class/hwmon/hwmon*")) if text(c / "name") in CHIPS]
    inputs = [path for chip in chips for path in sorted(chip.glob("temp*_input"))]
    if inputs:
        return inputs
    zones = {text(zone / "type"): zone / "temp" for zone in sorted(root.glob("class/thermal/thermal_zone*"))}
    return [zones[name] for name in ZONES if name in zones][:1]
