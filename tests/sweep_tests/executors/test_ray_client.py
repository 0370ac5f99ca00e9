"""``--address ray://``: the driver is no node of the cluster, and speaks to its head's client server."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.sweep_tests.conftest import SWEEP
from tests.sweep_tests.executors.ray_head import HEAD, ray_head

# One worker and one head: two that start at once would find the same ports free.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray_head")]


def free_ports() -> Iterator[int]:
    """Below 10002, where Ray's workers begin to take theirs."""
    for port in range(9700, 9990):
        with contextlib.suppress(OSError), socket.socket() as found:
            found.bind((HEAD, port))
            yield port


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, dict[str, str]]]:
    """A head with token authentication: its client address, its own, and the environment that may use them."""
    token = tmp_path_factory.mktemp("head") / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    environment["RAY_USAGE_STATS_ENABLED"] = "0"
    client, port = itertools.islice(free_ports(), 2)
    options = (f"--port={port}", f"--ray-client-server-port={client}", "--num-cpus=1")
    with ray_head(options, client, environment):
        yield f"ray://{HEAD}:{client}", f"{HEAD}:{port}", environment


def test_a_sweep_runs_through_the_ray_client_with_token_authentication(head, small_data, tmp_path):
    address, _, environment = head
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


@pytest.mark.parametrize("place", [0, 1], ids=["client", "node"])
def test_a_wrong_token_is_called_that(head, tmp_path, place):
    environment = {name: value for name, value in head[-1].items() if name != "RAY_AUTH_TOKEN_PATH"}
    asked = ("run", "--space", "demo", "--recipe", "smoke", "--db", str(tmp_path / "s.db"), "--address", head[place])
    done = subprocess.run(
        [SWEEP, *asked],
        env=environment | {"RAY_AUTH_TOKEN": secrets.token_hex(32)},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "RAY_AUTH_TOKEN" in done.stderr.strip().splitlines()[-1], done.stderr
