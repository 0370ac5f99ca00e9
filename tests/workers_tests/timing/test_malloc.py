from __future__ import annotations

import platform
import subprocess
import sys

import pytest

LOOP = """
import resource, torch
from workers.timing.malloc import keep_freed_memory, release_freed_memory
torch.set_num_threads(1)
if {keep}:
    assert keep_freed_memory()
for _ in range(20):
    torch.ones(12_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(12_000_000)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 20)
release_freed_memory()
"""


def faults(keep: bool) -> int:
    """Page faults for each allocation of 48 MB, in a process of its own: the setting is for good."""
    line = [sys.executable, "-c", LOOP.format(keep=keep)]
    return int(subprocess.run(line, capture_output=True, text=True, check=True, timeout=120).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_memory_that_is_kept_is_not_faulted_in_again() -> None:
    assert faults(keep=False) > 0, "glibc gives large blocks back at once; else workers/timing/malloc.py is not needed"
    assert faults(keep=True) == 0
