"""Connect to Ray, and refuse at once a cluster that cannot run the sweep."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_space.errors import SweepError, first_line

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


@dataclass(frozen=True)
class Node:
    """One machine of the cluster."""

    name: str
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Cluster:
    """The nodes that are alive."""

    nodes: tuple[Node, ...]

    @property
    def cpus(self) -> float:
        """CPUs of all nodes."""
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        """GPUs of all nodes."""
        return sum(node.gpus for node in self.nodes)

    def slots(self, cpus: float, gpus: float) -> int:
        """Workers of ``cpus`` CPUs and ``gpus`` GPUs that fit, each on one node."""
        return sum(_fits(node, cpus, gpus) for node in self.nodes)


def _fits(node: Node, cpus: float, gpus: float) -> int:
    by_cpu = int(node.cpus / cpus + 1e-9) if cpus else 10**6
    return min(by_cpu, int(node.gpus / gpus + 1e-9)) if gpus else by_cpu


def connect(address: str, cpus: int | None = None) -> Cluster:
    """Join the cluster at ``address`` (``auto``, ``HOST:PORT``, ``ray://HOST:PORT``) or start one here (``local``).

    Raises SweepError when it does not answer, refuses our token, or runs another Ray or Python version.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    if address == "local":
        for name, value in QUICK_HEALTH.items():
            os.environ.setdefault(name, value)
    else:
        _check_reachable(address)
    import ray

    if ray.is_initialized():
        return size()
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        options |= {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
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
            raise SweepError(f"the Ray cluster at {address} cannot be used: {first_line(error)}") from None
    return size()


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
    return Cluster(
        tuple(
            Node(node["NodeID"], float(node["Resources"].get("CPU", 0)), float(node["Resources"].get("GPU", 0)))
            for node in nodes
            if node["Alive"]
        )
    )


def check(cluster: Cluster, cpus: float, gpus: float) -> None:
    """Raise SweepError when no node can hold a worker of ``cpus`` CPUs and ``gpus`` GPUs."""
    if cluster.slots(cpus, gpus):
        return
    for name, asked, most in (
        ("CPUs", cpus, max((n.cpus for n in cluster.nodes), default=0.0)),
        ("GPUs", gpus, max((n.gpus for n in cluster.nodes), default=0.0)),
    ):
        if asked > most:
            raise SweepError(
                f"a worker asks for {asked:g} {name} but the cluster has {most:g} on its largest node "
                f"({len(cluster.nodes)} node(s)); ask for less (--cpus-per-worker, --gpus-per-worker) or add nodes"
            )
    raise SweepError(f"no node has both {cpus:g} CPUs and {gpus:g} GPUs for a worker; ask for less or add nodes")


def disconnect() -> None:
    """Leave the cluster (and stop it, if it was started here)."""
    import ray

    if ray.is_initialized():
        ray.shutdown()
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
