"""The peak memory of a network while it is built and warmed up."""

from __future__ import annotations

import gc

import torch

from workers.timing.process_memory import ProcessPeak


class PeakMemory:
    """``start()``, build and run, ``stop()`` -> MiB above what was there before; None, and ``why``, where unknown.

    On CUDA torch's allocator counts, which does not see what another runtime (not ``in_torch``) allocates.
    """

    def __init__(self, compute: str, in_torch: bool) -> None:
        self.cuda = torch.device(compute) if compute.startswith("cuda") else None
        self.in_torch = in_torch
        self.process = ProcessPeak()
        self.before = 0.0
        self.why: str | None = None

    def start(self) -> None:
        """Release free memory and reset the peak."""
        if self.cuda is None:
            self.process.start()
        elif self.in_torch:
            gc.collect()
            torch.cuda.synchronize(self.cuda)
            torch.cuda.reset_peak_memory_stats(self.cuda)
            self.before = float(torch.cuda.memory_allocated(self.cuda))

    def stop(self) -> float | None:
        """MiB of the GPU's memory on CUDA, else of this process."""
        if self.cuda is None:
            grown_mib, self.why = self.process.stop(), self.process.why
            return grown_mib
        if not self.in_torch:
            self.why = "this runtime takes the GPU's memory by itself, past torch's allocator"
            return None
        grown = float(torch.cuda.max_memory_allocated(self.cuda)) - self.before
        self.why = None if grown > 0 else "torch's allocator took nothing"
        return grown / 2**20 if grown > 0 else None
