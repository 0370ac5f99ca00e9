"""A sweep on a real Ray cluster of two nodes whose driver, workers and node are stopped again and again."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import _step_counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.nodes import RayCluster

ROOT = Path(__file__).parent.parent
WORKERS = 2
OF_DRIVER = {"driver": signal.SIGKILL, "ctrl-c": signal.SIGINT, "sigterm": signal.SIGTERM}
CLEAN = frozenset(("ctrl-c", "sigterm", "drain"))
"""Stops that are announced: workers hand out their states, and no step is to be repeated."""
WAIT_S = 180.0


@dataclass
class Stop:
    """One stop, as it went."""

    kind: str
    at: float
    """Seconds since 1970."""
    exit_s: float | None = None
    """From the signal to the driver's end."""
    training_s: float = 0.0
    """From the stop until as many workers trained as before."""
    steps_repeated: int = 0
    worst_seconds_repeated: float = 0.0


@dataclass
class Experiment:
    """The sweep that is stopped."""

    folder: Path
    cluster: RayCluster
    options: list[str]
    """Of ``sweep run`` but for --db and --address."""
    resume_options: list[str]
    chance: random.Random
    stops: list[Stop] = field(default_factory=list)
    unexpected: int = 0
    """Drivers that ended without being stopped."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def database(self) -> str:
        """Of the stopped sweep."""
        return f"sqlite:///{self.folder / 'stopped.db'}"

    @property
    def counts(self) -> Path:
        """Where workers count their steps."""
        return self.folder / "counts"

    def start(self) -> None:
        """The driver, for the first time or again."""
        options = ["resume", *self.resume_options] if self._process is not None else self.options
        command = [sys.executable, "-m", "tests.chaos.entry", *options]
        command += ["--db", self.database, "--address", self.cluster.address]
        with (self.folder / "driver.log").open("ab") as log:
            log.write(f"== {time.strftime('%H:%M:%S')} {options[0]}\n".encode())
            self._process = subprocess.Popen(
                self.cluster.head.command(command),
                cwd=self.folder / "code",
                env={**self.cluster.environment, "PYTHONPATH": str(self.folder / "code")},
                stdout=log,
                stderr=log,
            )

    def ended(self) -> bool:
        """Whether the sweep is done; starts a driver that ended otherwise again."""
        assert self._process is not None
        status = self._process.poll()
        if status is not None and status != 0:
            self.unexpected += 1
            time.sleep(2)
            self.start()
        return status == 0

    def await_training(self, workers: int) -> bool:
        """Wait until that many workers train; False when the sweep ended or it takes too long."""
        limit = time.monotonic() + WAIT_S
        while time.monotonic() < limit:
            if self.ended():
                return False
            if len(_step_counts.at_work(self.counts)) >= workers:
                return True
            time.sleep(0.5)
        return False

    def stop(self, kind: str) -> bool:
        """One stop and the way back; False when nothing was there to be stopped."""
        stopped = self._stop_driver(kind) if kind in OF_DRIVER else self._stop_worker(kind)
        if stopped is None:
            return False
        self.stops.append(stopped)
        if kind in OF_DRIVER:
            self.start()
        # Workers that are killed may take some more steps; the new ones are known by their start.
        since = f"{int(stopped.at * 1e9)}"
        wanted = WORKERS if kind in OF_DRIVER else 1
        limit = time.monotonic() + WAIT_S
        while time.monotonic() < limit and not self.ended():
            if sum(pack.begun > since for pack in _step_counts.at_work(self.counts).values()) >= wanted:
                break
            time.sleep(0.5)
        stopped.training_s = round(time.time() - stopped.at, 1)
        return True

    def _stop_driver(self, kind: str) -> Stop | None:
        from tests.chaos.network import kill

        assert self._process is not None
        pids = self.cluster.processes(self.cluster.head, "tests.chaos.entry")
        at = time.time()
        if not pids or not any(kill(pid, OF_DRIVER[kind]) for pid in pids):
            return None
        self._process.wait(timeout=60)
        return Stop(kind, at, round(time.time() - at, 2))

    def _stop_worker(self, kind: str) -> Stop | None:
        """kill -9 of a worker, or of the raylet of the node that is not the head, or a drain of that node.

        Trials that lost their worker before are not killed: a second loss has a trial go on alone and by the plain
        reference, whose last bits differ from the engine's (docs/resume.md, Failures).
        """
        from tests.chaos.network import kill, kill_all

        limit = time.monotonic() + 60
        while time.monotonic() < limit and not self.ended():
            machines = self.cluster.machines if kind == "worker" else self.cluster.machines[1:]
            here = {pid for machine in machines for pid in machine.pids()}
            packs = _step_counts.at_work(self.counts)
            fit = [
                pid for pid, pack in packs.items() if pid in here and (kind == "drain" or not self._lost_before(pack))
            ]
            if fit and kind == "drain":
                return self._drain()
            if fit:
                at = time.time()
                if kind == "worker":
                    done = kill(self.chance.choice(fit))
                else:
                    done = kill_all(self.cluster.processes(self.cluster.machines[1], "raylet/raylet"))
                return Stop(kind, at) if done else None
            time.sleep(0.5)
        return None

    def _drain(self) -> Stop | None:
        """The node that is not the head is told that it leaves in some seconds, leaves, and comes back."""
        from tests.chaos.node_faults import NOTICE_S, announce_drain

        node = self.cluster.machines[1]
        try:
            told = announce_drain(self.cluster, node)
        except RuntimeError:
            return None
        at = time.time() - (time.monotonic() - told)
        time.sleep(max(0.0, told + NOTICE_S - time.monotonic()))
        node.kill_all()
        return Stop("drain", at)

    def _lost_before(self, pack: _step_counts.PackSteps) -> bool:
        from results_db.store import Store

        with Store.open(self.database, readonly=True) as store:
            return bool(store.failed_attempts(pack.trials))

    def run(self, kinds: list[str], say: Callable[[str], None] = print) -> None:
        """The sweep from its start to its end, with the stops of ``kinds`` in this order."""
        self.start()
        waiting = list(kinds)
        tries = 0
        while waiting and tries < 3 * len(kinds) and self.await_training(WORKERS):
            time.sleep(self.chance.uniform(4.0, 9.0))
            kind = waiting.pop(0)
            tries += 1
            if self.stop(kind):
                last = self.stops[-1]
                say(f"{len(self.stops):3d} {kind:8s} exit {last.exit_s} s, training again after {last.training_s} s")
            else:
                waiting.append(kind)
        say(f"{len(self.stops)} stops; waiting for the end")
        while not self.ended():
            time.sleep(1)

    def close(self) -> None:
        """End the cluster with all that runs on it."""
        self.cluster.close()


@contextmanager
def cluster(folder: Path) -> Iterator[RayCluster]:
    """Two nodes of one CPU in network namespaces, whose Python processes count training steps; one at a time here."""
    from tests.chaos.nodes import RayCluster

    (folder / "counts").mkdir()
    os.environ["PYTHONPATH"] = str(ROOT / "benchmarks" / "step_counter")
    os.environ["EDGE_SWEEP_STEP_COUNTS"] = str(folder / "counts")
    with (Path(tempfile.gettempdir()) / "edge-sweep-chaos.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        nodes = RayCluster(WORKERS)
        try:
            yield nodes
        finally:
            nodes.close()
