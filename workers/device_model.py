"""What a machine computes on, by the name its maker gave it."""

from __future__ import annotations

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def device_model(device: str = "cpu") -> str:
    """The name of the card for ``cuda`` (also ``cuda:1``), else the model of the processor."""
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(torch.device(device)))
    return processor_model()


def processor_model() -> str:
    """``Intel(R) Xeon(R) Platinum 8488C`` where Linux tells it, else what Python knows, at least the architecture."""
    try:
        lines = CPUINFO.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    for key in ("model name", "Model", "Hardware"):
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == key and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()
