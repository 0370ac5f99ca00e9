"""NVIDIA GPUs through NVML. The logic is tested with a recorded device; run it on a real one before trusting it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from workers.sensors.core import Reading, Unreadable

REASONS = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
"""Bits of NVML's clock event reasons that slow a measurement; idle, sync boost and set clocks do not count."""


class Nvml:
    """One GPU."""

    name = "nvml"

    def __init__(self, uuid: str | None = None, index: int = 0, library: Any = None) -> None:
        """``uuid`` finds the device CUDA means whatever CUDA_VISIBLE_DEVICES says. Raises Unreadable."""
        self.library = library = library or _pynvml()
        try:
            library.nvmlInit()
            if uuid is not None:
                name = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
                self.handle = library.nvmlDeviceGetHandleByUUID(name)
            else:
                self.handle = library.nvmlDeviceGetHandleByIndex(index)
        except library.NVMLError as error:
            raise Unreadable(str(error)) from None

    def read(self) -> Reading:
        """Energy in J since the driver was loaded, power, clock of the SMs, memory in use, throttling, others."""
        get, lib = self._get, self.library
        energy = get(lambda: lib.nvmlDeviceGetTotalEnergyConsumption(self.handle))
        power = get(lambda: lib.nvmlDeviceGetPowerUsage(self.handle))
        memory = get(lambda: lib.nvmlDeviceGetMemoryInfo(self.handle).used)
        return Reading(
            power_w=None if power is None else power / 1000,
            energy_j=None if energy is None else energy / 1000,
            temperature_c=get(lambda: float(lib.nvmlDeviceGetTemperature(self.handle, lib.NVML_TEMPERATURE_GPU))),
            clock_mhz=get(lambda: float(lib.nvmlDeviceGetClockInfo(self.handle, lib.NVML_CLOCK_SM))),
            memory_mib=None if memory is None else memory / 2**20,
            throttled=self._throttled(),
            strangers=self._strangers(),
        )

    def _throttled(self) -> tuple[str, ...] | None:
        bits = self._get(lambda: self.library.nvmlDeviceGetCurrentClocksThrottleReasons(self.handle))
        return None if bits is None else tuple(reason for bit, reason in REASONS.items() if bits & bit)

    def _strangers(self) -> int | None:
        running = self._get(lambda: self.library.nvmlDeviceGetComputeRunningProcesses(self.handle))
        # In a container NVML tells pids of the host, where ours is not among them: then one process is us.
        pids = None if running is None else {process.pid for process in running}
        if pids is None:
            return None
        return len(pids - {os.getpid()}) if os.getpid() in pids else max(0, len(pids) - 1)

    def _get(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (self.library.NVMLError, AttributeError):
            return None


def _pynvml() -> Any:
    try:
        import pynvml
    except ImportError:
        raise Unreadable("nvidia-ml-py is not installed") from None
    return pynvml
