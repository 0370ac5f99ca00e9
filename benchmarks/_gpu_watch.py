"""What a GPU draws and does while a block runs: nvidia-smi, and NVML's energy counter by ctypes. No package needed."""

from __future__ import annotations

import ctypes
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SMI = "name,driver_version,power.draw,clocks.sm,clocks.mem,clocks.max.sm,temperature.gpu,utilization.gpu,memory.total"
LIBRARY = "libnvidia-ml.so.1"


def smi() -> dict[str, str]:
    """What nvidia-smi says of the first GPU now: asks the driver, makes no context. Empty where there is none."""
    command = ["nvidia-smi", f"--query-gpu={SMI}", "--format=csv,noheader,nounits", "--id=0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(zip(SMI.split(","), (part.strip() for part in done.stdout.split(",")), strict=False))


def joules() -> float | None:
    """NVML's energy counter of the first GPU, J since the driver was loaded; None where there is none."""
    handle, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
    try:
        nvml = ctypes.CDLL(LIBRARY)
        failed = nvml.nvmlInit_v2() or nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle))
        failed = failed or nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules))
    except (OSError, AttributeError):
        return None
    return None if failed else millijoules.value / 1000


@contextmanager
def watched(out: dict[str, Any], every: float = 0.5) -> Iterator[None]:
    """Put seconds, power, use, clock and energy of the GPU while the block runs in ``out``; None: not to be read."""
    seen: list[dict[str, str]] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(every):
            seen.append(smi())

    thread = threading.Thread(target=look, daemon=True)
    began, energy = time.perf_counter(), joules()
    thread.start()
    try:
        yield
    finally:
        after = joules()
        out["seconds"] = time.perf_counter() - began
        stop.set()
        thread.join(timeout=30)
        for name, key in (("power_w", "power.draw"), ("used_percent", "utilization.gpu"), ("clock_mhz", "clocks.sm")):
            numbers = [float(one[key]) for one in seen if one.get(key, "").replace(".", "", 1).isdigit()]
            out[name] = sum(numbers) / len(numbers) if numbers else None
        out["looks"] = len(seen)
        out["energy_j"] = None if energy is None or after is None else after - energy
