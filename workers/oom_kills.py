"""How often the kernel killed a process for want of memory, as the kernel counts it for this process's cgroup."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")


def oom_kills(root: Path = ROOT) -> int | None:
    """The counter of the smallest group this process lies in, or of the machine; None where the kernel tells none.

    cgroup v2 (``memory.events``), cgroup v1 (``memory.oom_control``), else ``/proc/vmstat``. Only a change says
    something.
    """
    for path, key in _sources(root):
        try:
            lines = (root / path).read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, value = line.partition(" ")
            if name == key and value.strip().isdigit():
                return int(value)
    return None


def _sources(root: Path) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        groups = []
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers == "memory" and path != "/":
            base, name = "sys/fs/cgroup/memory", "memory.oom_control"
        elif not controllers:
            base, name = "sys/fs/cgroup", "memory.events"
        else:
            continue
        # Inside a container the path is often that of the host, and the group itself is at the root.
        found += [(f"{base}{path.rstrip('/')}/{name}", "oom_kill"), (f"{base}/{name}", "oom_kill")]
    return [*found, ("proc/vmstat", "oom_kill")]
