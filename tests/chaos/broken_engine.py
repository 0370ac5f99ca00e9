"""An engine that fails on the machines that are told to: put into the experiment's copy of ``workers.packs``.

The file CHAOS_FAULTS/HOST says how: ``device`` (as a GPU whose driver failed: one process, from then on), ``memory``
(once, takes a gigabyte) or ``io`` (until the file is removed, as a machine that is broken). A file HOST.failed says
that it did.
"""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

FAULTS = "CHAOS_FAULTS"
FAILED = ".failed"
MOST = 100
"""Of 10 MB each: the limit of its machine is well below, and the machine that all of them are on is spared."""
_eaten: list[bytearray] = []
_dead: list[str] = []
"""What the device of this process failed with: it never works again, and smaller packs are no help."""


def fail_if_told() -> None:
    """Raises what the machine is told to fail with."""
    if _dead:
        raise RuntimeError(_dead[0])
    folder = os.environ.get(FAULTS)
    file = Path(folder) / socket.gethostname() if folder else None
    if file is None or not file.exists():
        return
    how = file.read_text()
    file.with_suffix(FAILED).touch()
    if how != "io":
        file.unlink()
    if how == "device":
        _dead.append("CUDA error: an illegal memory access was encountered")
        raise RuntimeError(_dead[0])
    if how == "io":
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    while how == "memory" and len(_eaten) < MOST:
        _eaten.append(bytearray(b"x" * 10_000_000))


def install(team: Any) -> None:
    """Have the steps of all engines, which ``team`` runs, fail where they are told to."""
    steps = team.run

    def run(self: Any, *arguments: Any) -> None:
        fail_if_told()
        steps(self, *arguments)

    team.run = run
