"""Faults of machines: told to leave, come late, full, out of memory, stuck, broken; and a database that vanishes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from results_db.store import Store
from search_space.errors import StoreError
from tests.chaos.faults import Hit, Scene
from tests.chaos.network import Machine, kill, kill_all
from tests.chaos.nodes import RayCluster

DRAIN = """
import sys, time, ray
from ray._raylet import GcsClient
from ray.core.generated import autoscaler_pb2
from ray.util.state import list_nodes
ray.init(address=sys.argv[1], log_to_driver=False)
node = next(n["NodeID"] for n in ray.nodes() if n["Alive"] and n["NodeManagerAddress"] == sys.argv[2])
reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
client = GcsClient(address=sys.argv[1])
at = time.monotonic()
accepted, why = client.drain_node(node, reason, "spot notice", int((time.time() + float(sys.argv[3])) * 1000))
if not accepted:
    sys.exit(why)
print("told at", at)
"""
NOTICE_S = 5.0
"""From the notice until a spot machine goes."""


def announce_drain(cluster: RayCluster, machine: Machine) -> float:
    """Tell the cluster that a machine leaves in ``NOTICE_S``, as a cloud's agent does; when, on the monotonic clock.

    Raises RuntimeError when the cluster does not take it.
    """
    told = subprocess.run(
        cluster.head.command([sys.executable, "-c", DRAIN, cluster.address, machine.address, str(NOTICE_S)]),
        env=cluster.environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    if told.returncode:
        raise RuntimeError(f"drain: {told.stderr.decode()[-200:]}")
    return float(told.stdout.split()[-1])


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.1)
    return False


def _failures(scene: Scene, machine: Machine, kind: str) -> int:
    """Attempts that a machine failed with an error of a class."""
    try:
        with Store.open(scene.url, readonly=True, busy_timeout_s=1, reconnect_s=5) as store:
            return sum(a.node == machine.name and a.failure == kind for a in store.attempts())
    except StoreError:
        return 0


def drain(scene: Scene) -> Hit:
    """A spot machine is told that it goes in five seconds, goes, and comes back."""
    machine = scene.victim(with_head=False)
    try:
        at = announce_drain(scene.cluster, machine)
    except RuntimeError as error:
        return Hit(str(error), None, False)
    time.sleep(max(0.0, at + NOTICE_S - time.monotonic()))
    return Hit(f"drain of {machine.name}", machine, kill_all(machine.pids()), at)


def latecomer(scene: Scene) -> Hit:
    """A machine is off for some seconds and comes late."""
    machine = scene.victim(with_head=False)
    seconds = scene.chance.uniform(4.0, 10.0)
    happened = scene.cluster.take_down(machine)
    time.sleep(seconds)
    scene.cluster.bring_up(machine)
    return Hit(f"{machine.name} comes {seconds:.1f} s late", machine, happened)


def worker_disk(scene: Scene) -> Hit:
    """The disk of a worker's machine, with Ray's logs and sessions, is full for some seconds."""
    machine = scene.victim(with_head=False)
    filler = machine.disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    room = os.statvfs(machine.disk).f_bavail
    time.sleep(scene.chance.uniform(3.0, 6.0))
    filler.unlink()
    return Hit(f"disk of {machine.name} full ({room} blocks left)", machine)


def oom(scene: Scene) -> Hit:
    """The kernel kills a training process that grows past the memory of its machine's control group."""
    machine = scene.victim()
    limit, group = machine.memory / "memory.limit_in_bytes", machine.memory / "cgroup.procs"
    workers = {str(pid) for pid in scene.cluster.workers(machine)}
    if not limit.exists() or not workers & {*group.read_text().split()}:
        return Hit("oom", None, False)
    before = _kills(machine)
    used = int((machine.memory / "memory.usage_in_bytes").read_text())
    limit.write_text(str(used + 300_000_000))
    try:
        with scene.cluster.broken(machine, "memory"):
            happened = _until(lambda: _kills(machine) > before, 30)
            at = time.monotonic()
    finally:
        limit.write_text("-1")
    return Hit(f"OOM kill on {machine.name}", machine, happened, at)


def _kills(machine: Machine) -> int:
    words = (machine.memory / "memory.oom_control").read_text().split()
    return int(words[words.index("oom_kill") + 1])


def vanished(scene: Scene) -> Hit:
    """The database's file is moved away under the driver, which must notice and end; then it is brought back."""
    if scene.url.startswith("postgresql"):
        return Hit("vanished", None, False)
    drivers = scene.driver_pids()
    files = [scene.folder / f"sweep.db{suffix}" for suffix in ("", "-wal", "-shm")]
    with scene.held():
        at = time.monotonic()
        for file in files:
            if file.exists():
                file.rename(file.with_name(f"away-{file.name}"))
        ended = _until(lambda: not set(drivers) & set(scene.driver_pids()), 60)
        kill_all(scene.driver_pids())
        for file in files:
            away = file.with_name(f"away-{file.name}")
            if away.exists():
                away.replace(file)
    return Hit("database vanished" + ("" if ended else ", not noticed"), None, bool(drivers) and ended, at)


def stuck_start(scene: Scene) -> Hit:
    """A training process is killed, and the one that takes its place never answers (stopped, not dead)."""
    machine = scene.victim()
    before = scene.cluster.workers(machine)
    if not before or not kill(before[0]):
        return Hit("stuck at start", None, False)
    _until(lambda: bool(set(scene.cluster.workers(machine)) - set(before)), 60)
    new = set(scene.cluster.workers(machine)) - set(before)
    happened = bool(new) and kill(new.pop(), signal.SIGSTOP)
    return Hit(f"worker of {machine.name} stuck at start", machine, happened, time.monotonic())


def gpu_error(scene: Scene) -> Hit:
    """The engine of one machine fails once as a GPU does whose driver failed."""
    machine = scene.victim()
    before = _failures(scene, machine, "device")
    with scene.cluster.broken(machine, "device") as failed:
        happened = _until(failed.exists, 30)
        at = time.monotonic()
        happened = happened and _until(lambda: _failures(scene, machine, "device") > before, 30)
    return Hit(f"device error on {machine.name}", None, happened, at)


def black_hole(scene: Scene) -> Hit:
    """A machine fails whatever it is given, at once, for twelve seconds: the driver gives it up. Then it is mended and
    started again, and has to be taken for a new one."""
    machine = scene.victim(with_head=False)
    before = _failures(scene, machine, "device")
    with scene.cluster.broken(machine, "io") as failed:
        happened = _until(failed.exists, 30)
        at = time.monotonic()
        happened = happened and _until(lambda: _failures(scene, machine, "device") > before, 30)
        time.sleep(12)
    return Hit(f"{machine.name} a black hole", machine, kill_all(machine.pids()) and happened, at)


NODE_FAULTS: dict[str, Callable[[Scene], Hit]] = {
    "drain": drain,
    "late-node": latecomer,
    "worker-disk": worker_disk,
    "oom": oom,
    "vanished": vanished,
    "stuck-start": stuck_start,
    "gpu-error": gpu_error,
    "black-hole": black_hole,
}
