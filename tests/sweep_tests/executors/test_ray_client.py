"""``--address ray://``: the driver is no node of the cluster, and speaks to its head's client server."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sweep_tests.conftest import SWEEP

RAY = str(Path(sys.executable).parent / "ray")


def free_port() -> int:
    """Below 10002, where Ray's workers begin to take theirs."""
    for port in range(9700, 9990):
        with contextlib.suppress(OSError), socket.socket() as found:
            found.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


@pytest.fixture
def head(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A head with token authentication; its client address and the environment that may use it."""
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    environment["RAY_USAGE_STATS_ENABLED"] = "0"
    client = free_port()
    # A socket's path may have 107 characters: pytest's folders are too long for Ray's.
    folder = Path("/tmp") / f"edge-sweep-ray-{client}"
    options = f"--head --port=0 --ray-client-server-port={client} --include-dashboard=false --num-cpus=1 --block"
    process = subprocess.Popen(
        [RAY, "start", *options.split(), f"--temp-dir={folder}", "--object-store-memory=100000000"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    limit = time.monotonic() + 180
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", client), timeout=1):
                break
            assert process.poll() is None and time.monotonic() < limit, "the head did not start"
            time.sleep(0.5)
        yield f"ray://127.0.0.1:{client}", environment
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_sweep_runs_through_the_ray_client_with_token_authentication(head, small_data, tmp_path):
    address, environment = head
    asked = ("run", "--space", "demo", "--recipe", "smoke", "--limit", "5", "--no-benchmark", "--json")
    done = subprocess.run(
        [SWEEP, *asked, "--data-root", str(small_data), "--db", str(tmp_path / "s.db"), "--address", address],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == 5
