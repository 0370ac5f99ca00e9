"""RAPL energy counters of Intel and AMD processors, through Linux powercap."""

from __future__ import annotations

from pathlib import Path

from workers.sensors.core import Reading, Unreadable
from workers.sensors.sysfs import number, text


class Powercap:
    """Energy of all packages and their memory. Counters wrap; ``read`` must come before one does so twice."""

    name = "rapl"

    def __init__(self, root: Path = Path("/sys")) -> None:
        folder = root / "class" / "powercap"
        zones = sorted(folder.glob("*-rapl:*")) if folder.is_dir() else []
        named = {zone: text(zone / "name") or "" for zone in zones}
        # The memory is a zone inside its package's zone; a core zone is part of the package and would count twice.
        self.zones = [zone for zone, name in named.items() if name.startswith("package") or name == "dram"]
        if not self.zones:
            raise Unreadable(f"no package zone in {folder}")
        for zone in self.zones:
            if number(zone / "energy_uj") is None:
                raise Unreadable(f"{zone / 'energy_uj'} cannot be read (root only on most systems)")
        self.total = 0.0
        self.last = {zone: number(zone / "energy_uj") or 0.0 for zone in self.zones}

    def read(self) -> Reading:
        """Energy in J since this object was made; None when a counter has become unreadable."""
        for zone in self.zones:
            now = number(zone / "energy_uj")
            if now is None:
                return Reading()
            step = now - self.last[zone]
            if step < 0:
                step += number(zone / "max_energy_range_uj") or 0.0
            self.total += max(step, 0.0)
            self.last[zone] = now
        return Reading(energy_j=self.total / 1e6)
