"""One experiment: a sweep on a real cluster, faults from a seeded script, and the reckoning at its end."""

from __future__ import annotations

import fcntl
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from results_db.store import Store
from tests.chaos.faults import FAULTS, Hit, Scene
from tests.chaos.node_faults import NODE_FAULTS
from tests.chaos.nodes import RayCluster
from tests.chaos.reckoning import reckon
from tests.chaos.wanted import Event, Outcome, Wanted, run_options, seeds_for, snapshot
from tests.chaos.watch import Watch, planned

TMPFS_MB = 48
START_S = 300.0
"""Until the first trial is done: a cluster of three nodes starts, on a machine that may be busy."""
GIVE_UP_S = 120.0
"""A fault that is not over by then counts with this, and as unrecovered."""


class Supervisor:
    """Keeps one driver running until the sweep is done, as a person or an init system would."""

    def __init__(self, cluster: RayCluster, wanted: Wanted, url: str, clock: Path, log: Path, code: Path) -> None:
        self._cluster, self._wanted, self._url, self._clock, self._log = cluster, wanted, url, clock, log
        self._code = code
        self.seeds = seeds_for(wanted.trials)
        self.starts = 0
        self.done = False
        self.enough = threading.Event()
        """Set when no more faults come: the sweep may end."""
        self._end = threading.Event()
        self._may_start = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _arguments(self, resume: bool) -> list[str]:
        common = ["--address", self._cluster.address, "--timeout", f"{self._wanted.timeout_s:g}"]
        if not resume:
            return [*run_options(self._wanted, self._url, self.seeds), *common]
        size = str(self._wanted.pack_size)
        options = ["resume", "--db", self._url, "--no-benchmark", "--pack-size", size, "--max-attempts", "50"]
        return [*options, "--json", *common]

    def _run(self) -> None:
        while not self._end.is_set():
            with self._may_start:
                self._begin(resume=planned(self._url) > 0)
            code = self._await()
            if code == 0 and self.enough.is_set():
                self.done = True
                return
            if code == 1:
                with Store.open(self._url) as store:
                    store.retry()
            time.sleep(0.5)

    def _begin(self, resume: bool) -> None:
        arguments = self._arguments(resume)
        self.starts += 1
        with self._log.open("ab") as log:
            log.write(f"\n== {time.strftime('%H:%M:%S')} {arguments[0]}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                self._cluster.head.command([sys.executable, "-m", "tests.chaos.entry", *arguments]),
                cwd=self._code,
                env={**self._cluster.environment, "CHAOS_CLOCK": str(self._clock), "PYTHONPATH": str(self._code)},
                stdout=log,
                stderr=log,
            )

    def _await(self) -> int:
        assert self._process is not None
        code = self._process.wait()
        with self._log.open("ab") as log:
            log.write(f"== {time.strftime('%H:%M:%S')} exit {code}\n".encode())
        return code

    @contextmanager
    def held(self) -> Iterator[None]:
        """No driver is started within the block."""
        with self._may_start:
            yield

    def pids(self) -> list[int]:
        return self._cluster.processes(self._cluster.head, "tests.chaos.entry")

    def wait(self, seconds: float) -> bool:
        self._thread.join(timeout=seconds)
        return self.done

    def stop(self) -> None:
        self._end.set()
        if self._process and self._process.poll() is None:
            self._process.kill()


def experiment(wanted: Wanted, say: Callable[[str], None] = print, limit_s: float = 1200.0) -> Outcome:
    """Run it, one at a time on a machine. Raises AssertionError when a forged result is taken."""
    with (Path(tempfile.gettempdir()) / "edge-sweep-chaos.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _experiment(wanted, say, limit_s)


def _experiment(wanted: Wanted, say: Callable[[str], None], limit_s: float) -> Outcome:
    chance = random.Random(wanted.seed)
    folder = Path(tempfile.mkdtemp(prefix="chaos-db-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS_MB}m", "none", str(folder)], check=True)
    url = wanted.url or f"sqlite:///{folder / 'sweep.db'}"
    clock = folder.parent / f"{folder.name}.clock"
    clock.write_text("0")
    log = folder.parent / f"{folder.name}.log"
    outcome = Outcome(wanted.trials)
    began = time.monotonic()
    code = snapshot(folder.parent / f"{folder.name}.code")
    cluster = RayCluster(3)
    supervisor = Supervisor(cluster, wanted, url, clock, log, code)
    try:
        scene = Scene(cluster, url, folder, clock, supervisor.pids, supervisor.held, chance)
        _inject(wanted, scene, supervisor, outcome, say, began + limit_s)
        clock.write_text("0")
        supervisor.enough.set()
        say(f"all faults injected after {time.monotonic() - began:.0f} s; waiting for the end")
        if not supervisor.wait(max(30.0, began + limit_s - time.monotonic())):
            outcome.stuck.append("the sweep did not end in time")
        outcome.seconds = round(time.monotonic() - began, 1)
        outcome.drivers = supervisor.starts
        supervisor.stop()
        cluster.close()
        reckon(wanted, url, code, outcome)
        return outcome
    finally:
        supervisor.stop()
        cluster.close()
        subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(code, ignore_errors=True)
        clock.unlink(missing_ok=True)
        if outcome.stuck or outcome.lost:
            say(f"the drivers' log is {log}")
        else:
            log.unlink(missing_ok=True)


def _inject(
    wanted: Wanted,
    scene: Scene,
    supervisor: Supervisor,
    outcome: Outcome,
    say: Callable[[str], None],
    deadline: float,
) -> None:
    watch = Watch(scene.url)
    if not watch.until(lambda: bool(watch.finished()), START_S):
        outcome.stuck.append(f"no trial was done within {START_S:.0f} s of the start")
        return
    waiting = list(wanted.faults)
    while waiting and time.monotonic() < deadline:
        kind = waiting.pop(0)
        watch.until(lambda: supervisor.pids() != [], 30)
        # A fault may wait half a minute for a machine that trains.
        watch.top_up()
        began = time.monotonic()
        hit: Hit = (FAULTS | NODE_FAULTS)[kind](scene)
        if not hit.happened:
            waiting.append(kind)
            time.sleep(0.5)
            continue
        # Only an attempt begun after the fault proves that what was hit works again.
        at = watch.mark()
        recovered = watch.until(lambda hit=hit, at=at: watch.works(hit, at), GIVE_UP_S)
        seconds = time.monotonic() - (began if hit.at is None else hit.at)
        outcome.events.append(Event(kind, hit.note, round(seconds, 2), recovered))
        outcome.faults += 1
        say(f"{outcome.faults:4d} {kind:10s} {seconds:6.1f} s {'' if recovered else 'NOT RECOVERED '}{hit.note}")
