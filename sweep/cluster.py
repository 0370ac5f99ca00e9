"""Connecting to Ray, and saying at once when the cluster cannot do what is asked."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from search_space.errors import SweepError

OBJECT_STORE_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Cluster:
    """What there is: nodes alive, CPUs and GPUs in all."""

    nodes: int
    cpus: float
    gpus: float


def connect(address: str, cpus: int | None = None) -> Cluster:
    """Join the cluster at ``address`` (``auto``, ``HOST:PORT``, ``ray://HOST:PORT``) or start one here (``local``).

    Raises SweepError when it does not answer, or runs another Ray or Python version.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    import ray

    if ray.is_initialized():
        return size()
    try:
        if address == "local":
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, OSError, RuntimeError, TimeoutError, ValueError) as error:
        text = str(error).strip().splitlines()
        raise SweepError(f"the Ray cluster at {address} cannot be used: {text[0] if text else error!r}") from None
    return size()


def size() -> Cluster:
    """What the connected cluster has."""
    import ray

    total = ray.cluster_resources()
    nodes = sum(1 for node in ray.nodes() if node["Alive"])
    return Cluster(nodes, float(total.get("CPU", 0)), float(total.get("GPU", 0)))


def check(cluster: Cluster, cpus: float, gpus: float) -> None:
    """Raise SweepError when no worker of ``cpus`` CPUs and ``gpus`` GPUs fits the cluster as a whole."""
    for name, wanted, there in (("CPUs", cpus, cluster.cpus), ("GPUs", gpus, cluster.gpus)):
        if wanted > there:
            raise SweepError(
                f"a worker asks for {wanted:g} {name} but the cluster has {there:g} on {cluster.nodes} node(s); "
                f"ask for less (--cpus-per-worker, --gpus-per-worker) or add nodes"
            )


def disconnect() -> None:
    """Leave the cluster (and stop it, if it was started here)."""
    import ray

    if ray.is_initialized():
        ray.shutdown()
