"""Machines that are network namespaces: each has its own address, a cable that can be pulled, and a host name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BRIDGE = "chaosbr"
PREFIX = "10.77.0."
MEMORY = Path("/sys/fs/cgroup/memory")
DISK_MB = 400


def why_not() -> str | None:
    """The reason why namespaces cannot be made here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "the `ip` command (iproute2) is not installed"
    done = subprocess.run(["ip", "netns", "add", "chaos-probe"], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"network namespaces are not permitted here: {done.stderr.strip()}"
    made = subprocess.run(
        ["ip", "link", "add", "chaosprobe", "type", "bridge"], capture_output=True, text=True, check=False
    )
    subprocess.run(["ip", "link", "del", "chaosprobe"], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", "chaos-probe"], capture_output=True, check=False)
    return f"bridges are not permitted here: {made.stderr.strip()}" if made.returncode else None


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)


@dataclass(frozen=True)
class Machine:
    """One namespace; ``number`` 1 is the head."""

    number: int
    folder: Path
    """Of the experiment; ``folder/ray`` is another disk on each machine, as each has its own /tmp."""

    @property
    def name(self) -> str:
        return f"chaos-{self.number}"

    @property
    def address(self) -> str:
        return f"{PREFIX}{self.number}"

    @property
    def cable(self) -> str:
        return f"chaosv{self.number}"

    def command(self, arguments: Sequence[str]) -> list[str]:
        """``arguments`` as they run inside, under the machine's own host name, with its own disk and memory."""
        inside = 'hostname "$0" && mount --bind "$1" "$2" && shift 2 && exec "$@"'
        disks = [str(self.disk), str(self.folder / "ray")]
        unshare = ["unshare", "--uts", "--mount", "sh", "-c", inside, self.name, *disks]
        # Before `ip netns exec`, which hides the control groups.
        join = ["sh", "-c", 'echo $$ 2>/dev/null >"$0/cgroup.procs"; exec "$@"', str(self.memory)]
        return [*join, "ip", "netns", "exec", self.name, *unshare, *arguments]

    @property
    def disk(self) -> Path:
        """A small tmpfs, so that it can be filled."""
        return self.folder / self.name

    @property
    def memory(self) -> Path:
        """The control group of its processes; there is none where the kernel has no cgroup v1 for memory."""
        return MEMORY / self.name

    def pids(self) -> list[int]:
        done = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
        return [int(line) for line in done.stdout.split()]

    def pull_cable(self) -> None:
        ip("link", "set", self.cable, "down")

    def plug_cable(self) -> None:
        ip("link", "set", self.cable, "up")

    def kill_all(self) -> None:
        """Like pulling the power plug."""
        kill_all(self.pids())


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def kill_all(pids: Sequence[int]) -> bool:
    """Whether any of them was there to be killed."""
    return sum(kill(pid) for pid in pids) > 0


def build(count: int, folder: Path) -> list[Machine]:
    """``count`` machines on one switch, their disks under ``folder``; what an earlier run left is removed first."""
    machines = [Machine(i + 1, folder) for i in range(count)]
    tear_down(machines)
    for disk in (folder / "ray", *(machine.disk for machine in machines)):
        disk.mkdir()
    for machine in machines:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(machine.disk)]
        subprocess.run(mount, check=True)
        with suppress(OSError):
            machine.memory.mkdir()
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("link", "set", BRIDGE, "up")
    for machine in machines:
        ip("netns", "add", machine.name)
        ip("link", "add", machine.cable, "type", "veth", "peer", "name", "eth0", "netns", machine.name)
        ip("link", "set", machine.cable, "master", BRIDGE)
        ip("link", "set", machine.cable, "up")
        ip("-n", machine.name, "link", "set", "lo", "up")
        ip("-n", machine.name, "addr", "add", f"{machine.address}/24", "dev", "eth0")
        ip("-n", machine.name, "link", "set", "eth0", "up")
    return machines


def tear_down(machines: Sequence[Machine]) -> None:
    for machine in machines:
        machine.kill_all()
        subprocess.run(["ip", "netns", "del", machine.name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", machine.cable], capture_output=True, check=False)
        subprocess.run(["umount", "-l", str(machine.disk)], capture_output=True, check=False)
        with suppress(OSError):
            machine.memory.rmdir()
    subprocess.run(["ip", "link", "del", BRIDGE], capture_output=True, check=False)
