"""Keeping memory that PyTorch frees, instead of returning it to the kernel.

PyTorch has no memory pool on a CPU: a layer's output is allocated and freed at every frame. glibc asks the kernel for
anything above 32 MiB and returns it at once, so every frame of such a network touches fresh pages, each
a fault. That costs more than the arithmetic (measured: docs/decisions/086), and how much depends on the kernel.
"""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""glibc's names for ``mallopt`` (malloc.h)."""


def keep_freed_memory() -> bool:
    """Make this process keep freed memory for its next allocation; False where the C library cannot.

    Permanent, because networks ask for the same sizes at every frame. ``release_freed_memory`` returns it.
    """
    library = _library()
    if library is None:
        return False
    return bool(library.mallopt(MMAP_MAX, 0) and library.mallopt(TRIM_THRESHOLD, 2**31 - 1))


def release_freed_memory() -> None:
    """Return free memory to the kernel now."""
    library = _library()
    if library is not None:
        library.malloc_trim(0)


def _library() -> ctypes.CDLL | None:
    """The C library when it is glibc."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
