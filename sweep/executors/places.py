"""Which nodes a cluster has, and where workers go on them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from search_space.errors import SweepError


@dataclass(frozen=True)
class Node:
    """One machine of the cluster."""

    name: str
    cpus: float
    gpus: float
    host: str = ""
    """Its name for people."""
    draining: bool = False
    """It is about to leave."""


@dataclass(frozen=True)
class Cluster:
    """The nodes that are alive."""

    nodes: tuple[Node, ...]
    hosts: tuple[tuple[str, str], ...] = ()
    """Names for people of nodes that are gone, by Ray's id."""

    @property
    def cpus(self) -> float:
        """CPUs of all nodes."""
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        """GPUs of all nodes."""
        return sum(node.gpus for node in self.nodes)

    def has(self, name: str, staying: bool = False) -> bool:
        """Whether a node is alive, and with ``staying`` not about to leave."""
        return any(node.name == name and not (staying and node.draining) for node in self.nodes)

    def is_leaving(self, name: str) -> bool:
        """Whether a node was told to leave."""
        return any(node.name == name and node.draining for node in self.nodes)

    def host(self, name: str) -> str:
        """The name for people of a node that is or was there; empty when that is not known."""
        return dict(self.hosts).get(name) or next((node.host for node in self.nodes if node.name == name), "")

    def remembering(self, before: Cluster) -> Cluster:
        """The same nodes, with the names of those that were there ``before``."""
        known = dict(before.hosts) | {node.name: node.host for node in (*before.nodes, *self.nodes)}
        return replace(self, hosts=tuple(known.items()))


@dataclass(frozen=True)
class Places:
    """Where workers go: ``cpus`` CPUs each, and ``gpus`` GPUs.

    Without ``gpus`` (None) a node that has GPUs gets a worker for each, and every other node trains on its CPUs.
    """

    cpus: float
    gpus: float | None

    def on(self, cluster: Cluster) -> dict[str, int]:
        """How many workers fit on each node that has room for one.

        >>> Places(1, None).on(Cluster((Node("a", 12, 2), Node("b", 12, 0))))
        {'a': 2, 'b': 12}
        """
        room = {node.name: _fits(node, self.cpus, self._gpus(node)) for node in cluster.nodes}
        return {name: count for name, count in room.items() if count}

    def gpus_on(self, cluster: Cluster, name: str) -> float:
        """GPUs of one worker on a node."""
        return next(self._gpus(node) for node in cluster.nodes if node.name == name)

    def by_device(self, cluster: Cluster) -> dict[str, int]:
        """How many workers there can be on GPUs and on CPUs.

        >>> Places(1, None).by_device(Cluster((Node("a", 12, 2), Node("b", 12, 0))))
        {'GPU': 2, 'CPU': 12}
        """
        room = self.on(cluster)
        on_gpus = sum(count for name, count in room.items() if self.gpus_on(cluster, name))
        return {"GPU": on_gpus, "CPU": sum(room.values()) - on_gpus}

    def check(self, cluster: Cluster) -> None:
        """Raise SweepError when no node can hold a worker."""
        if self.on(cluster):
            return
        gpus = self.gpus or 0.0
        for name, asked, most in (
            ("CPUs", self.cpus, max((n.cpus for n in cluster.nodes), default=0.0)),
            ("GPUs", gpus, max((n.gpus for n in cluster.nodes), default=0.0)),
        ):
            if asked > most:
                raise SweepError(
                    f"a worker asks for {asked:g} {name} but the cluster has {most:g} on its largest node "
                    f"({len(cluster.nodes)} node(s)); ask for less (--cpus-per-worker, --gpus-per-worker) or add nodes"
                )
        raise SweepError(
            f"no node has both {self.cpus:g} CPUs and {gpus:g} GPUs for a worker; ask for less or add nodes"
        )

    def _gpus(self, node: Node) -> float:
        return self.gpus if self.gpus is not None else float(node.gpus >= 1)


def _fits(node: Node, cpus: float, gpus: float) -> int:
    by_cpu = int(node.cpus / cpus + 1e-9) if cpus else 10**6
    return min(by_cpu, int(node.gpus / gpus + 1e-9)) if gpus else by_cpu


def in_words(cluster: Cluster, places: Places, most: int = 0) -> str:
    """What was found, and the workers it is used for; ``most`` of them, if that is not 0.

    >>> in_words(Cluster((Node("a", 4, 1), Node("b", 8, 0))), Places(1, None))
    '2 nodes: 1 GPU, 12 CPUs; 1 GPU worker, 8 CPU workers'
    """
    there = _counted({"GPU": cluster.gpus, "CPU": cluster.cpus}) or "no CPUs"
    workers = places.by_device(cluster)
    if most and sum(workers.values()) > most:
        workers = {"GPU": min(most, workers["GPU"]), "CPU": max(0, min(most - workers["GPU"], workers["CPU"]))}
    used = _counted({f"{device} worker": number for device, number in workers.items()}) or "no workers yet"
    return f"{_counted({'node': len(cluster.nodes)})}: {there}; {used}"


def _counted(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{number:g} {noun}{'' if number == 1 else 's'}" for noun, number in numbers.items() if number)
