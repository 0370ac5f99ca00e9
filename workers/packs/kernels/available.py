"""Whether the kernels can be had on a device, and if not, why: one line for a person."""

from __future__ import annotations

import importlib.util
import os

import torch

OFF = "EDGE_SWEEP_KERNELS"


def why_no_kernels(device: torch.device) -> str:
    """Empty where there are kernels: an NVIDIA GPU of compute capability 8.0 or more, and Triton."""
    if os.environ.get(OFF, "1") == "0":
        return f"{OFF}=0"
    if device.type != "cuda":
        return f"there are kernels for CUDA devices only, not for {device.type!r}"
    if torch.version.hip is not None:
        return "the kernels were never tried on an AMD GPU"
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed (it comes with torch's CUDA builds for Linux)"
    major, minor = torch.cuda.get_device_capability(device)
    return "" if major >= 8 else f"the GPU has compute capability {major}.{minor}; the kernels need 8.0"
