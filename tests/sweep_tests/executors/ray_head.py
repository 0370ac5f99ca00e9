"""A real Ray head as a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

RAY = str(Path(sys.executable).parent / "ray")
HEAD = "127.0.0.1"
START_S = 180.0


@contextlib.contextmanager
def ray_head(options: Sequence[str], port: int, environment: Mapping[str, str]) -> Iterator[None]:
    """``ray start --head`` with ``options``, once ``port`` answers and until the block ends."""
    # A socket's path may have 107 characters: pytest's folders are too long for Ray's.
    fixed = ("--include-dashboard=false", "--block", f"--temp-dir=/tmp/edge-sweep-ray-{port}")
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [RAY, "start", "--head", *options, *fixed, "--object-store-memory=100000000"],
            env=dict(environment),
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _await(process, port, said)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=60)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _await(process: subprocess.Popen[bytes], port: int, said: IO[str]) -> None:
    """Until ``port`` answers; AssertionError with what the head ``said`` when it ended or took too long."""
    limit = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection((HEAD, port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > limit:
            said.seek(0)
            raise AssertionError(f"the head did not start (status {process.poll()}): {said.read()[-2000:]}")
        time.sleep(0.5)
