"""One benchmark at a time on a machine: a lock file that dies with its process."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from search_space.errors import BadData

try:
    import fcntl
except ImportError:  # Windows has no flock; there two benchmarks are kept apart by the user
    fcntl = None  # type: ignore[assignment]


def lock_path() -> Path:
    """Where the machine's lock is; ``EDGE_SWEEP_LOCK`` puts it elsewhere."""
    return Path(os.environ.get("EDGE_SWEEP_LOCK") or Path(tempfile.gettempdir()) / "edge-sweep-benchmark.lock")


def _open(path: Path) -> int:
    """The lock file, made if it is not there: for reading, which is enough for a lock on another user's file.

    Raises OSError. In a shared temporary folder nobody can point us at another file (O_NOFOLLOW).
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        # Others may make it at the same moment. With O_CREAT, Linux refuses another user's file in /tmp.
        try:
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return os.open(path, flags)


@contextmanager
def whole_machine(wait: bool = True, notice: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the machine's benchmark lock.

    With ``wait`` the call waits for another benchmark to end, after one ``notice``; without, it raises
    BadData. The lock is released when the process ends, however it ends.
    """
    if fcntl is None:
        yield
        return
    path = lock_path()
    try:
        handle = _open(path)
    except OSError as error:
        raise BadData(f"cannot open the benchmark lock {path}: {error.strerror} (set EDGE_SWEEP_LOCK)") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            by = holder(handle) or f"it holds {path}"
            if not wait:
                raise BadData(f"another benchmark is running on this machine: {by}") from None
            if notice is not None:
                notice(
                    f"waiting for another benchmark on this machine, since two at a time would slow each other: {by}"
                )
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def holder(handle: int) -> str:
    """The process that holds the lock on an open file, in words; empty where the system does not tell.

    Another user's process, or one of another container, has no more than its number.
    """
    import psutil

    try:
        known = os.fstat(handle)
        place = f"{os.major(known.st_dev):02x}:{os.minor(known.st_dev):02x}:{known.st_ino}"
        locks = (line.split() for line in Path("/proc/locks").read_text().splitlines())
        number = next(int(words[4]) for words in locks if words[1] == "FLOCK" and words[5] == place)
    except (OSError, StopIteration, ValueError, IndexError):
        return ""
    text = f"process {number}"
    try:
        process = psutil.Process(number)
        minutes = (time.time() - process.create_time()) / 60
        text += f" of {process.username()}, {minutes:.0f} min old: {' '.join(process.cmdline())[:120]}"
    except psutil.Error:
        pass
    return text
