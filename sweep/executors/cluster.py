"""Connect to Ray, or start it here; the nodes that it has."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import tempfile
from pathlib import Path
from typing import Any

from search_space.errors import SweepError, first_line
from sweep.executors.places import Cluster, Node

OBJECT_STORE_BYTES = 512 * 2**20
CONNECT_S = 5.0
"""How long a head may take to accept a connection."""
TRIES = 3
PASSING_ERRORS = ("timed out during startup", "Initialization failure from server")
"""Errors of Ray that a second attempt may not have: its processes have 30 s to start, which is short on a busy machine,
and a head's client server takes a process that is slow to start for one that failed."""
PACKAGES = ("search_space", "workers", "sweep")
"""Our packages that a worker on another machine needs; they travel as zip files through Ray."""
QUICK_HEALTH = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "4",
}
"""For a cluster started here: a dead node is noticed after about 3 s instead of 13."""


def connect(address: str, cpus: int | None = None, gpus: int | None = None) -> Cluster:
    """Join the cluster at ``address`` (``auto``, ``HOST:PORT``, ``ray://HOST:PORT``) or start one here (``local``).

    One that is started here has ``cpus`` CPUs and ``gpus`` GPUs; None takes what Ray finds.

    Raises SweepError when it does not answer, refuses our token, or runs another Ray or Python version.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    if address == "local":
        for name, value in QUICK_HEALTH.items():
            os.environ.setdefault(name, value)
        _make_token()
    else:
        _check_reachable(address)
    import ray

    if ray.is_initialized():
        return size()
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        options |= {"num_cpus": cpus, "num_gpus": gpus}
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    else:
        options["runtime_env"] = {"py_modules": [str(path) for path in our_code()]}
    for tries_left in reversed(range(TRIES)):
        try:
            with contextlib.chdir(_start_folder()):
                ray.init(address=address, **options)
            break
        except Exception as error:  # Ray raises a plain Exception when its own processes were too slow
            if tries_left and any(words in str(error) for words in PASSING_ERRORS):
                ray.shutdown()
                continue
            raise SweepError(
                f"the Ray cluster at {address} cannot be used: {first_line(error)}{_hint(error)}"
            ) from None
    return size()


_made_token = False


def _make_token() -> None:
    """A token for a cluster of our own. Ray would keep one in HOME, which may not be writable."""
    global _made_token
    if not any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        _made_token = True


def _hint(error: Exception) -> str:
    """What to do about an error of Ray that does not say it."""
    words = str(error).lower()
    if "af_unix" in words or "path length" in words:
        return "; the path of temporary files is too long for a socket: set TMPDIR=/tmp or RAY_TMPDIR=/tmp"
    if any(
        said in words
        for said in ("failed to connect", "could not connect", "connection timeout", "unauthenticated", "token")
    ):
        return (
            "; it does accept connections, so does this machine have its token (RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH)?"
        )
    return ""


def our_code() -> list[Path]:
    """The folders of ``PACKAGES`` on this machine."""
    root = Path(__file__).parents[2]
    return [root / name for name in PACKAGES]


def _check_reachable(address: str) -> None:
    """Raise SweepError when nothing listens at ``address``; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        if address.startswith("ray://") or (address != "auto" and ":" in address):
            raise SweepError(
                f"{address!r} is not an address of a Ray cluster (HOST:PORT, ray://HOST:PORT, auto, local)"
            )
        if address != "auto":
            raise SweepError(f"unknown address {address!r} (choose from local, auto, HOST:PORT, ray://HOST:PORT)")
        return
    try:
        with contextlib.closing(socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S)):
            return
    except OSError as error:
        raise SweepError(
            f"the Ray cluster at {address} cannot be used: {error.strerror or error}; "
            "is its head running (`ray start --head`), and is the port open?"
        ) from None


def size() -> Cluster:
    """The live nodes of the connected cluster. Raises SweepError when it does not answer."""
    import ray

    try:
        nodes = ray.nodes()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise SweepError(f"the Ray cluster does not answer: {type(error).__name__}") from None
    leaving = _draining()
    return Cluster(
        tuple(
            Node(
                node["NodeID"],
                float(node["Resources"].get("CPU", 0)),
                float(node["Resources"].get("GPU", 0)),
                str(node.get("NodeManagerHostname", "")),
                node["NodeID"] in leaving,
            )
            for node in nodes
            if node["Alive"]
        )
    )


def _draining() -> frozenset[str]:
    """Ids of the nodes that were told to leave (a spot notice, an autoscaler); empty where Ray does not tell.

    Ray tells it to no public function, and to no driver that is connected by ``ray://``.
    """
    try:
        from ray._private.state import state

        return frozenset(state.get_draining_nodes())
    except Exception:
        return frozenset()


def disconnect() -> None:
    """Leave the cluster (and stop it, if it was started here)."""
    import ray

    from sweep.executors import autoscaler

    global _made_token
    if ray.is_initialized():
        autoscaler.withdraw()
        ray.shutdown()
    if _made_token:
        # Another cluster has a token of its own.
        os.environ.pop("RAY_AUTH_TOKEN", None)
        _made_token = False
    if _start_folders:
        _start_folders.pop().cleanup()


_start_folders: list[tempfile.TemporaryDirectory[str]] = []


def _start_folder() -> str:
    """An empty folder to start Ray in; it lasts as long as the connection.

    Ray puts the folder it is started in first on the import path of all workers, where a user's own ``sweep.py`` or
    ``analysis/`` would be taken for ours, and be run.
    """
    if not _start_folders:
        _start_folders.append(tempfile.TemporaryDirectory(prefix="edge-sweep-"))
    return _start_folders[0].name
