"""The one door through which kernels are launched."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

STAGES = 2


def launch(kernel: Any, grid: tuple[int, ...], arguments: tuple[Any, ...], constants: dict[str, Any]) -> None:
    """Start ``kernel`` on the current stream; nothing is waited for. ``constants``: 4 warps unless they say else."""
    kernel[grid](*arguments, **{"num_warps": 4, "num_stages": STAGES, **constants})


def upload(values: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers onto a device; the host goes on at once (from pinned memory nothing is waited for)."""
    tensor = torch.as_tensor(values, dtype=dtype)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
