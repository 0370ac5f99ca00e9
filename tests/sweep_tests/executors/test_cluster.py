"""The pre-flight: what the cluster cannot do is said at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from search_space.errors import SweepError
from sweep.executors.cluster import connect, our_code
from sweep.executors.core import Versions
from sweep.executors.places import Cluster, Node, Places, in_words
from workers.training.code_digest import code_digest

THREE = Cluster((Node("a", 2, 0), Node("b", 2, 1), Node("c", 8, 0)))


@pytest.mark.parametrize(
    ("cpus", "gpus", "slots"), [(1, 0, 12), (2, 0, 6), (3, 0, 2), (1, 1, 1), (0.5, 0.5, 2), (1, 0.25, 2)]
)
def test_workers_fit_node_by_node_not_over_the_cluster_as_a_whole(cpus, gpus, slots):
    assert sum(Places(cpus, gpus).on(THREE).values()) == slots
    Places(cpus, gpus).check(THREE)


@pytest.mark.parametrize(
    ("cpus", "gpus", "words"),
    [(9, 0, "asks for 9 CPUs"), (1, 2, "asks for 2 GPUs"), (4, 1, "no node has both")],
)
def test_a_worker_that_fits_on_no_node_is_refused(cpus, gpus, words):
    with pytest.raises(SweepError, match=words):
        Places(cpus, gpus).check(THREE)


MIXED = Cluster((Node("a", 20, 2), Node("b", 20, 2), Node("c", 4, 0), Node("d", 4, 0)))


@pytest.mark.parametrize(
    ("cluster", "places", "most", "words"),
    [
        (MIXED, Places(1, None), 0, "4 nodes: 4 GPUs, 48 CPUs; 4 GPU workers, 8 CPU workers"),
        (MIXED, Places(1, 0), 0, "4 nodes: 4 GPUs, 48 CPUs; 48 CPU workers"),
        (MIXED, Places(1, 1), 0, "4 nodes: 4 GPUs, 48 CPUs; 4 GPU workers"),
        (MIXED, Places(1, None), 5, "4 nodes: 4 GPUs, 48 CPUs; 4 GPU workers, 1 CPU worker"),
        (Cluster((Node("a", 2, 0),)), Places(1, None), 0, "1 node: 2 CPUs; 2 CPU workers"),
        (Cluster((Node("head", 0, 0),)), Places(1, None), 3, "1 node: no CPUs; no workers yet"),
    ],
)
def test_what_was_found_and_what_it_is_used_for_is_one_line(cluster, places, most, words):
    assert in_words(cluster, places, most) == words


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "ray://nowhere", "nonsense", "host:port"])
def test_an_address_where_no_cluster_is_is_refused_within_seconds(address):
    began = time.monotonic()
    with pytest.raises(SweepError):
        connect(address)
    assert time.monotonic() - began < 20


def test_a_port_where_nobody_accepts_is_not_waited_for(monkeypatch):
    from sweep.executors import cluster

    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        with pytest.raises(SweepError, match="cannot be used"):
            connect(f"127.0.0.1:{full.getsockname()[1]}")


def test_a_worker_with_other_versions_is_named_with_its_differences():
    here = Versions.here()
    assert here.differences(here) == ""
    other = replace(here, code="0" * 12)
    assert other.differences(here) == f"code {'0' * 12} instead of {here.code}"
    other = replace(here, engines="0" * 12)
    assert other.differences(here) == f"engines {'0' * 12} instead of {here.engines}"


def test_a_worker_whose_packages_lie_in_folders_of_their_own_has_the_drivers_code(tmp_path):
    """As Ray unpacks them on a machine where edge-sweep lies elsewhere."""
    for package in our_code():
        (tmp_path / package.name).mkdir()
        (tmp_path / package.name / package.name).symlink_to(package)
    apart = os.pathsep.join(str(tmp_path / package.name) for package in our_code())
    there = "import workers; from workers.training.code_digest import code_digest as d; print(d(), workers.__file__)"
    environment = {**os.environ, "PYTHONPATH": apart}
    command = [sys.executable, "-c", there]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    digest, file = done.stdout.split()
    assert file.startswith(str(tmp_path))
    assert digest == code_digest()


@pytest.mark.parametrize(("failures", "joined"), [(2, True), (3, False)])
def test_a_head_that_fails_to_start_our_server_is_asked_again(
    failures: int, joined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ray's own race, which a test cannot provoke: its answer is replayed.
    asked: list[str] = []

    def init(address: str, **_: object) -> None:
        asked.append(address)
        if len(asked) <= failures:
            raise RuntimeError("Initialization failure from server:\nTraceback ...")

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("sweep.executors.cluster.size", lambda: Cluster(()))
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"ray://127.0.0.1:{head.getsockname()[1]}"
        if joined:
            assert connect(address) == Cluster(())
        else:
            with pytest.raises(SweepError, match="cannot be used: Initialization failure from server:"):
                connect(address)
    assert len(asked) == 3
