"""A real Slurm of three nodes, and jobs of docker/slurm.sbatch on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLUSTER = Path(__file__).parent / "cluster"
NEEDED = {"slurmctld": "slurm-wlm", "slurmd": "slurm-wlm", "sbatch": "slurm-wlm", "munged": "munge", "ip": "iproute2"}
WAIT_S = 900.0
"""Longest wait for anything; a busy machine takes minutes to start Ray on three nodes."""


def why_not() -> str | None:
    """The reason why there can be no Slurm here, or None."""
    if os.geteuid() != 0:
        return "a Slurm in network namespaces needs root"
    missing = sorted({package for command, package in NEEDED.items() if shutil.which(command) is None})
    return f"not installed: {', '.join(missing)} (apt-get install)" if missing else None


def wait_for(what: str, condition: Callable[[], object], seconds: float = WAIT_S) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"waited too long: {what}"
        time.sleep(1)


@dataclass
class Slurm:
    """The cluster; ``folder`` has its configuration and logs, and is what the nodes share."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of all commands and jobs: a user's own, whose HOME the nodes share."""
        return {
            **os.environ,
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "HOME": str(self.folder / "home"),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "RAY_FOLDER": str(self.folder / "disk" / "ray"),
            "VENV": str(Path(sys.executable).parents[1]),
            "START_S": "3",
            "AGAIN_S": "3",
        }

    def up(self) -> None:
        (self.folder / "home").mkdir()
        self._cluster("up")
        state = ["sinfo", "--noheader", "--format=%D %T"]

        def idle() -> bool:
            # Until the controller listens, sinfo fails.
            done = subprocess.run(state, env=self.environment, capture_output=True, text=True)
            return done.stdout.split() == ["3", "idle"]

        wait_for("the nodes", idle, 60)

    def down(self) -> None:
        self._cluster("down")

    def cut(self, number: int) -> None:
        """As when the node loses power."""
        self._cluster("cut", str(number))

    def boot(self, number: int) -> None:
        """The node again; waits until Slurm gives it jobs."""
        self._cluster("boot", str(number))
        state = ("sinfo", "--noheader", f"--nodes=n{number}", "--format=%T")
        wait_for(f"n{number}", lambda: self.call(*state).strip() in ("idle", "mixed", "allocated"), 120)

    def call(self, *command: str) -> str:
        """Standard output of one of Slurm's commands."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def submit(self, options: tuple[str, ...], line: tuple[str, ...]) -> int:
        """A job of docker/slurm.sbatch with one CPU per node; ``line`` is what follows ``sweep run``."""
        batch = ("sbatch", "--parsable", "--cpus-per-task=1", f"--chdir={ROOT}", f"--output={self.folder}/job-%j.out")
        return int(self.call(*batch, *options, str(ROOT / "docker" / "slurm.sbatch"), *line))

    def told(self, job: int) -> str:
        """What a job has printed."""
        file = self.folder / f"job-{job}.out"
        return file.read_text() if file.exists() else ""

    def facts(self, job: int) -> dict[str, str]:
        """``scontrol show job``, by name."""
        return dict(re.findall(r"(\S+?)=(\S*)", self.call("scontrol", "show", "job", str(job))))

    def jobs_of(self, array: int) -> list[int]:
        """The jobs of an array."""
        shown = self.call("scontrol", "--oneliner", "show", "job", str(array))
        return sorted({int(number) for number in re.findall(r"^JobId=(\d+)", shown, re.MULTILINE)})

    def end(self, job: int, seconds: float = WAIT_S) -> str:
        """Wait until the job has ended; its state."""
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        wait_for(f"job {job}\n{self.told(job)}", lambda: self.facts(job)["JobState"] in over, seconds)
        return self.facts(job)["JobState"]

    def pids(self, number: int, name: str) -> list[int]:
        """Processes on a node whose command line has ``name`` in it."""
        inside = subprocess.run(["ip", "netns", "pids", f"slurm-n{number}"], capture_output=True, text=True).stdout
        found = []
        for pid in map(int, inside.split()):
            file = Path(f"/proc/{pid}/cmdline")
            if file.exists() and name in file.read_text(errors="replace"):
                found.append(pid)
        return found

    def _cluster(self, *arguments: str) -> None:
        what, *more = arguments
        done = subprocess.run([str(CLUSTER), what, str(self.folder), *more], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
