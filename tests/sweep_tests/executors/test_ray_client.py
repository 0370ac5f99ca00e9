"""``--address ray://``: the driver is no node of the cluster, and speaks to its head's client server."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sweep_tests.conftest import SWEEP
from tests.sweep_tests.executors.ray_head import HEAD, ray_head


def free_port() -> int:
    """Below 10002, where Ray's workers begin to take theirs."""
    for port in range(9700, 9990):
        with contextlib.suppress(OSError), socket.socket() as found:
            found.bind((HEAD, port))
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
    options = ("--port=0", f"--ray-client-server-port={client}", "--num-cpus=1")
    with ray_head(options, client, environment):
        yield f"ray://{HEAD}:{client}", environment


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
