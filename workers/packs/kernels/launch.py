"""The one door through which kernels are launched."""

from __future__ import annotations

from typing import Any

STAGES = 2


def launch(kernel: Any, grid: tuple[int, ...], arguments: tuple[Any, ...], constants: dict[str, Any]) -> None:
    """Start ``kernel`` on the current stream; nothing is waited for. ``constants``: 4 warps unless they say else."""
    kernel[grid](*arguments, **{"num_warps": 4, "num_stages": STAGES, **constants})
