"""How often the kernel killed for want of memory is read from the group a process lies in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers.oom_kills import oom_kills

V2 = {"proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/memory.events": "low 0\noom 4\noom_kill 3\n"}
V1 = {
    "proc/self/cgroup": "5:memory:/job\n1:cpu:/job\n0::/\n",
    "sys/fs/cgroup/memory/job/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
}
CONTAINER = {"proc/self/cgroup": "0::/docker/abc\n", "sys/fs/cgroup/memory.events": "oom_kill 5\n"}
MACHINE = {"proc/self/cgroup": "0::/\n", "proc/vmstat": "pgfault 9\noom_kill 7\n"}


@pytest.mark.parametrize(
    ("files", "count"),
    [(V2, 3), (V1, 2), (CONTAINER, 5), (MACHINE, 7), ({"proc/self/cgroup": "0::/\n"}, None), ({}, None)],
)
def test_the_counter_of_the_smallest_group_counts(tmp_path: Path, files: dict[str, str], count: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert oom_kills(tmp_path) == count


def test_this_machine_tells_a_number_or_nothing() -> None:
    assert oom_kills() is None or oom_kills() >= 0


GROUPS = Path("/sys/fs/cgroup/memory")
KILLED = """
import subprocess, sys
from workers.oom_kills import oom_kills
before = oom_kills()
child = subprocess.run([sys.executable, "-c", "b'x' * 2**28"])
print(child.returncode, oom_kills() - before)
"""


def test_a_process_that_the_kernel_kills_for_its_memory_raises_the_counter(tmp_path: Path) -> None:
    group = GROUPS / f"edge-sweep-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(100 * 2**20))
    except OSError as error:
        pytest.skip(f"no memory group can be made here: {error.strerror}")
    into = f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
    try:
        done = subprocess.run([sys.executable, "-c", into + KILLED], capture_output=True, text=True, timeout=120)
        assert done.stdout.split() == ["-9", "1"], done.stdout + done.stderr
    finally:
        group.rmdir()
