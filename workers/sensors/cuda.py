"""Which GPU a CUDA device number means, by the driver itself, so that neither torch nor a context is needed.

NVML counts every GPU of the machine; CUDA counts those that CUDA_VISIBLE_DEVICES leaves, in an order of its own.
"""

from __future__ import annotations

import ctypes
import uuid
from typing import Any

LIBRARIES = ("libcuda.so.1", "nvcuda.dll")


def gpu_uuid(number: int, driver: Any = None) -> str | None:
    """The UUID of CUDA device ``number`` (without ``GPU-``), or None where the driver does not give it."""
    driver = driver or _driver()
    device, value = ctypes.c_int(), (ctypes.c_ubyte * 16)()
    if driver is None or driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), number):
        return None
    if driver.cuDeviceGetUuid(ctypes.byref(value), device):
        return None
    return str(uuid.UUID(bytes=bytes(value)))


def _driver() -> Any:
    for name in LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None
