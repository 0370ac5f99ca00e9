"""A Ray cluster on the machines, kept up as an init system would: what dies is started again."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.chaos.broken_engine import FAILED, FAULTS
from tests.chaos.network import Machine, build, kill, kill_all, tear_down

RAY = str(Path(sys.executable).parent / "ray")
PORT = 6379
HEALTH = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_worker_niceness": "0",
}


class RayCluster:
    """Head on the first machine, a node on each of the others, one CPU each, token authentication on."""

    def __init__(self, count: int = 3) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        self.machines = build(count, self.folder)
        self.faults = self.folder / "faults"
        self.faults.mkdir()
        token = self.folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        self.environment = {
            **os.environ,
            **HEALTH,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DEDUP_LOGS": "0",
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            FAULTS: str(self.faults),
        }
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._down: set[int] = set()
        self._lock = threading.RLock()
        self._end = threading.Event()
        self.restarts = 0
        self.start_head()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    @property
    def head(self) -> Machine:
        return self.machines[0]

    @property
    def address(self) -> str:
        return f"{self.head.address}:{PORT}"

    def start_head(self) -> None:
        """A fresh cluster: nothing of an earlier one is left, as after a power cut of all machines."""
        with self._lock:
            for machine in self.machines:
                for pid in machine.pids():
                    if not self._is_driver(pid):
                        kill(pid)
            for process in self._running.values():
                process.wait()
            self._running.clear()
            self._start(
                self.head,
                f"--head --port={PORT} --include-dashboard=false --temp-dir={self.folder / 'ray'}",
            )
            self._await_head()
            for machine in self.machines[1:]:
                self._start(machine, f"--address={self.address}")

    def _await_head(self) -> None:
        """Until its port answers: a node that starts sooner only tries, fails and starts again."""
        knock = f"import socket; socket.create_connection(('{self.head.address}', {PORT}), timeout=1)"
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            done = subprocess.run(self.head.command([sys.executable, "-S", "-c", knock]), capture_output=True)
            if done.returncode == 0:
                time.sleep(1)
                return
            time.sleep(0.3)

    def _is_driver(self, pid: int) -> bool:
        try:
            return "tests.chaos.entry" in " ".join(psutil.Process(pid).cmdline())
        except psutil.NoSuchProcess:
            return False

    def _start(self, machine: Machine, options: str) -> None:
        arguments = [
            RAY,
            "start",
            *options.split(),
            f"--node-ip-address={machine.address}",
            "--num-cpus=1",
            "--object-store-memory=100000000",
            "--disable-usage-stats",
            "--block",
        ]
        log = (self.folder / f"{machine.name}.log").open("ab")
        self._running[machine.number] = subprocess.Popen(
            machine.command(arguments),
            env=self.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=self.folder,
        )

    def _keep(self) -> None:
        """Start again what died, a second later."""
        while not self._end.wait(0.5):
            with self._lock:
                if self._end.is_set():
                    return
                head = self._running.get(1)
                if head is not None and head.poll() is not None:
                    time.sleep(1)
                    self.restarts += 1
                    self.start_head()
                    continue
                for machine in self.machines[1:]:
                    process = self._running.get(machine.number)
                    if process is not None and process.poll() is not None and machine.number not in self._down:
                        for pid in machine.pids():
                            kill(pid)
                        self.restarts += 1
                        self._start(machine, f"--address={self.address}")

    def take_down(self, machine: Machine) -> bool:
        """Switch a machine off until ``bring_up``; whether anything ran on it."""
        with self._lock:
            self._down.add(machine.number)
            return kill_all(machine.pids())

    def bring_up(self, machine: Machine) -> None:
        """Switch it on again; it joins the cluster as a new node."""
        with self._lock:
            self._down.discard(machine.number)

    @contextmanager
    def broken(self, machine: Machine, how: str) -> Iterator[Path]:
        """Within the block every engine on a machine fails as ``broken_engine`` says; then the file is there."""
        file = self.faults / machine.name
        failed = file.with_suffix(FAILED)
        failed.unlink(missing_ok=True)
        file.write_text(how)
        try:
            yield failed
        finally:
            file.unlink(missing_ok=True)
            failed.unlink(missing_ok=True)

    def processes(self, machine: Machine, name: str) -> list[int]:
        """Process ids on a machine whose command line has ``name`` in it."""
        found = []
        for pid in machine.pids():
            try:
                if name in " ".join(psutil.Process(pid).cmdline()):
                    found.append(pid)
            except psutil.NoSuchProcess:
                continue
        return found

    def workers(self, machine: Machine) -> list[int]:
        return self.processes(machine, "ray::PackWorker")

    def close(self) -> None:
        if self._end.is_set():
            return
        self._end.set()
        with self._lock:
            tear_down(self.machines)
            for process in self._running.values():
                process.wait()
        self._keeper.join(timeout=5)
        shutil.rmtree(self.folder, ignore_errors=True)
