"""A real Ray head as a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

RAY = str(Path(sys.executable).parent / "ray")
HEAD = "127.0.0.1"
START_S = 180.0


@contextlib.contextmanager
def ray_head(options: Sequence[str], port: int, environment: Mapping[str, str]) -> Iterator[None]:
    """``ray start --head`` with ``options``, once ``port`` answers and until the block ends."""
    # A socket's path may have 107 characters: pytest's folders are too long for Ray's.
    fixed = ("--include-dashboard=false", "--block", f"--temp-dir=/tmp/edge-sweep-ray-{port}")
    process = subprocess.Popen(
        [RAY, "start", "--head", *options, *fixed, "--object-store-memory=100000000"],
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    limit = time.monotonic() + START_S
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection((HEAD, port), timeout=1):
                break
            assert process.poll() is None and time.monotonic() < limit, "the head did not start"
            time.sleep(0.5)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
