"""The faults: each is done to a running sweep, and undone where the world would undo it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from results_db.records import AttemptRow
from results_db.states import State
from results_db.store import Store
from search_space.errors import StoreError
from search_space.facts import Done, Quality
from tests.chaos.network import Machine, kill, kill_all
from tests.chaos.nodes import RayCluster

FORGED = -99.0
"""dB in a forged result; it may never be read back."""


@dataclass
class Scene:
    """What a fault may touch."""

    cluster: RayCluster
    url: str
    folder: Path
    """Holds the SQLite file; a small tmpfs, so that it can be filled."""
    clock: Path
    """Seconds that the drivers' clocks are off."""
    driver_pids: Callable[[], list[int]]
    held: Callable[[], AbstractContextManager[None]]
    """Within the block no driver is started."""
    chance: random.Random

    def victim(self, with_head: bool = True) -> Machine:
        machines = self.cluster.machines if with_head else self.cluster.machines[1:]
        busy = [machine for machine in machines if self.cluster.workers(machine)]
        return self.chance.choice(busy or machines)


@dataclass(frozen=True)
class Hit:
    """What a fault did: in words, and the machine that must work again for it to be over (None: any)."""

    note: str
    machine: Machine | None = None
    happened: bool = True
    at: float | None = None
    """When it happened, on the monotonic clock, where it had to be prepared or waited for; None: when asked for."""


def worker(scene: Scene) -> Hit:
    """kill -9 of a training process."""
    machine = scene.victim()
    pids = scene.cluster.workers(machine)
    return Hit(f"worker on {machine.name}", machine, bool(pids) and kill(scene.chance.choice(pids)))


def raylet(scene: Scene) -> Hit:
    """kill -9 of a node's raylet, its workers with it; the node starts again."""
    machine = scene.victim(with_head=False)
    pids = scene.cluster.processes(machine, "raylet/raylet")
    return Hit(f"raylet of {machine.name}", machine, kill_all(pids))


def head(scene: Scene) -> Hit:
    """kill -9 of the cluster's control service: the whole cluster and the driver's connection are gone."""
    pids = scene.cluster.processes(scene.cluster.head, "gcs/gcs_server")
    happened = kill_all(pids)
    limit = time.monotonic() + 60
    while happened and time.monotonic() < limit:
        if set(scene.cluster.processes(scene.cluster.head, "gcs/gcs_server")) - set(pids):
            break
        time.sleep(0.2)
    return Hit("head", None, happened)


def driver(scene: Scene) -> Hit:
    """kill -9 of the driver; it is started again with ``sweep resume``."""
    return Hit("driver", None, kill_all(scene.driver_pids()))


def link(scene: Scene) -> Hit:
    """A node's cable is pulled for some seconds: it trains on, unheard, and is believed dead."""
    machine = scene.victim(with_head=False)
    seconds = scene.chance.uniform(1.0, 7.0)
    machine.pull_cable()
    time.sleep(seconds)
    machine.plug_cable()
    return Hit(f"link of {machine.name} for {seconds:.1f} s", machine)


def sleeper(scene: Scene) -> Hit:
    """A training process that never answers again (stopped, not dead)."""
    machine = scene.victim()
    pids = scene.cluster.workers(machine)
    return Hit(f"stuck worker on {machine.name}", machine, bool(pids) and kill(pids[0], signal.SIGSTOP))


def disk_full(scene: Scene) -> Hit:
    """The database's disk is full for some seconds."""
    filler = scene.folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 65536)
    room = os.statvfs(scene.folder).f_bavail
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(b"\0" * 512)
    time.sleep(scene.chance.uniform(2.0, 4.0))
    filler.unlink()
    return Hit(f"disk full ({room} blocks left)")


def database(scene: Scene) -> Hit:
    """SQLite: another program locks the file. PostgreSQL: the server drops every connection."""
    if scene.url.startswith("postgresql"):
        import psycopg

        with psycopg.connect(scene.url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
            ended = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            ).fetchone()
        return Hit(f"database dropped {ended[0] if ended else 0} connections")
    with contextlib.closing(sqlite3.connect(scene.folder / "sweep.db", timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(scene.chance.uniform(1.0, 3.0))
        connection.execute("ROLLBACK")
    return Hit("database locked")


def clock_jump(scene: Scene) -> Hit:
    """The driver's clock jumps by up to two hours, either way."""
    jump = scene.chance.uniform(-7200, 7200)
    scene.clock.write_text(f"{jump:.0f}")
    return Hit(f"clock {jump:+.0f} s")


def duplicate(scene: Scene) -> Hit:
    """The result of a finished trial comes a second time, with other figures."""
    return _forge(scene, "duplicate", lambda a: a.outcome == "done", 0)


def late(scene: Scene) -> Hit:
    """A worker believed dead sends the result of an attempt that was taken over."""
    return _forge(scene, "late", lambda a: a.outcome in ("failed", "expired", "released"), 0)


def _forge(scene: Scene, name: str, which: Callable[[AttemptRow], bool], ahead: int) -> Hit:
    try:
        with Store.open(scene.url) as store:
            newest = {row.id: row for row in store.trials()}
            fit = [
                a
                for a in store.attempts()
                if which(a) and (a.number < newest[a.trial].attempts or newest[a.trial].state is State.DONE)
            ]
            if not fit:
                return Hit(name, None, False)
            one = scene.chance.choice(fit)
            figure = Quality(one.config, "Set5", "psnr", FORGED, "dB", "forged")
            forged = Done(one.trial, one.number + ahead, (figure,), (), 1.0, 1, "forger")
            recorded = store.record([forged, forged])
    except StoreError as error:
        return Hit(f"{name}: {error}", None, False)
    if recorded.accepted:
        raise AssertionError(f"a forged {name} result was accepted: {recorded}")
    return Hit(f"{name} result of {one.config}")


FAULTS: dict[str, Callable[[Scene], Hit]] = {
    "worker": worker,
    "raylet": raylet,
    "head": head,
    "driver": driver,
    "link": link,
    "sleep": sleeper,
    "disk-full": disk_full,
    "database": database,
    "clock": clock_jump,
    "duplicate": duplicate,
    "late": late,
}
