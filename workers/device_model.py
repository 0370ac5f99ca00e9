"""What a machine computes on: the name its maker gave it, and on a GPU the software under it."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from search_space.facts import CudaState

CPUINFO = Path("/proc/cpuinfo")
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


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


def cuda_state(device: str = "cuda") -> CudaState | None:
    """Driver, libraries and float32 settings of torch as they are now; None for a CPU."""
    if not device.startswith("cuda"):
        return None
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    version = cudnn.version()  # type: ignore[no-untyped-call]
    return CudaState(
        driver_version(),
        torch.version.hip or torch.version.cuda,
        None if version is None else str(version),
        bool(matmul.allow_tf32),
        bool(cudnn.allow_tf32),
        bool(cudnn.benchmark),
    )


def driver_version() -> str | None:
    """Version of NVIDIA's kernel driver, where Linux tells it."""
    try:
        text = NVIDIA_DRIVER.read_text(errors="replace")
    except OSError:
        return None
    found = re.search(r"Kernel Module.*?\b(\d+(?:\.\d+)+)", text)
    return found[1] if found else None
