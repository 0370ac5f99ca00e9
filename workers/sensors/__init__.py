"""Power, temperature, clocks and throttling of this machine: NVML, RAPL, Jetson rails, vcgencmd, sysfs.

``find_sensors(compute)`` returns those that can be read and why the others cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workers.sensors.core import Reading, Sensor, Sensors, Unreadable
from workers.sensors.cuda import gpu_uuid
from workers.sensors.jetson import Jetson
from workers.sensors.nvml import Nvml
from workers.sensors.powercap import Powercap
from workers.sensors.processor import Processor
from workers.sensors.raspberry import Raspberry

__all__ = ["Reading", "Sensor", "Sensors", "Unreadable", "find_sensors"]


def find_sensors(compute: str = "cpu", root: Path = Path("/sys")) -> Sensors:
    """The sensors of ``compute`` (``cpu``, ``cuda``, ``cuda:1``); board rails count for both."""
    gpu = compute.startswith("cuda")
    tries: dict[str, Callable[[], Sensor]] = {}
    if gpu:
        number = int(compute.partition(":")[2] or 0)
        tries["nvml"] = lambda: Nvml(gpu_uuid(number), number)
    tries["jetson-ina"] = lambda: Jetson(root)
    if not gpu:
        tries |= {"rapl": lambda: Powercap(root), "vcgencmd": Raspberry, "cpu-sysfs": lambda: Processor(root)}
    usable, reasons = [], []
    for name, make in tries.items():
        try:
            usable.append(make())
        except Unreadable as error:
            reasons.append((name, str(error)))
    return Sensors(tuple(usable), tuple(reasons))
