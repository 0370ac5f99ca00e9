"""The most memory a network needed while it was built and warmed."""

from __future__ import annotations

import gc
from pathlib import Path

import psutil
import torch

from workers.heap import release_freed_memory


class PeakMemory:
    """``start()``, build and run, ``stop()`` -> MiB above what was there before; None where it cannot be told."""

    def __init__(self, compute: str) -> None:
        self.cuda = torch.device(compute) if compute.startswith("cuda") else None
        self.process = psutil.Process()
        self.before = 0.0
        self.known = True

    def start(self) -> None:
        """Give back what is free, and begin a new peak."""
        gc.collect()
        if self.cuda is not None:
            torch.cuda.synchronize(self.cuda)
            torch.cuda.reset_peak_memory_stats(self.cuda)
            self.before = float(torch.cuda.memory_allocated(self.cuda))
            return
        release_freed_memory()
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            self.known = False
        self.before = float(self.process.memory_info().rss)

    def stop(self) -> float | None:
        """MiB; of the GPU's allocator on CUDA (other runtimes' own memory is not seen), else of this process."""
        if self.cuda is not None:
            return max(0.0, torch.cuda.max_memory_allocated(self.cuda) - self.before) / 2**20
        peak = _high_water() if self.known else None
        return None if peak is None else max(0.0, peak - self.before) / 2**20


def _high_water() -> float | None:
    """Largest resident size in bytes since the last reset."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return float(found[0]) * 1024 if found else None
