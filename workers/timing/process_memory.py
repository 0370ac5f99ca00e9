"""The peak of memory that a piece of work adds to this process. Python's own library only, as boards run it too."""

from __future__ import annotations

import gc
from pathlib import Path

from workers.timing.malloc import release_freed_memory

PROC = Path("/proc/self")


class ProcessPeak:
    """``start()``, work, ``stop()`` -> MiB above the size before; None, and ``why``, where it cannot be read."""

    def __init__(self, proc: Path = PROC) -> None:
        self.proc = proc
        self.before: float | None = None
        self.why: str | None = None

    def start(self) -> None:
        """Release free memory and reset the peak."""
        gc.collect()
        release_freed_memory()
        self.why = None
        try:
            (self.proc / "clear_refs").write_text("5")
        except OSError:
            self.why = f"the peak of this process cannot be reset here ({self.proc / 'clear_refs'})"
        self.before = self._kib("VmRSS")

    def stop(self) -> float | None:
        """The largest rise of the resident size since ``start``, in MiB."""
        peak = self._kib("VmHWM")
        if self.why is None and (peak is None or self.before is None):
            self.why = f"{self.proc / 'status'} does not tell the resident size"
        if self.why is not None or peak is None or self.before is None:
            return None
        if peak <= self.before:
            self.why = "this process did not grow: what was there before was enough"
            return None
        return (peak - self.before) / 1024

    def _kib(self, name: str) -> float | None:
        try:
            lines = (self.proc / "status").read_text().splitlines()
        except OSError:
            return None
        sizes = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
        return float(sizes[0]) if sizes else None
