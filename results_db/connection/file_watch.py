"""Whether a SQLite file is still the one that was opened: not deleted, moved, replaced or cut short.

SQLite itself goes on writing into a file that has no name any more. Only ``stat`` is used here: opening the file a
second time in this process, and closing it, would drop SQLite's own locks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_space.errors import StoreLost

Identity = tuple[int, int]
"""Device and inode."""


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@dataclass
class FileWatch:
    """Watches one database file and its write-ahead log while connections to it are open."""

    path: Path
    _opened: Identity | None = None
    _size: int = 0

    @property
    def log(self) -> Path:
        """The write-ahead log beside the file."""
        return self.path.with_name(self.path.name + "-wal")

    @property
    def opened(self) -> bool:
        """Whether a connection was made: from then on a file that is not there must not be made anew."""
        return self._opened is not None

    def on_connect(self) -> None:
        """A connection was opened just now; the first decides which file is meant."""
        if self._opened is None:
            self._opened = _identity(self.path)

    def check_file(self) -> None:
        """Raise StoreLost when another file or none is under the name."""
        now = _identity(self.path)
        if now is None:
            raise StoreLost(f"{self.path} is gone: it was deleted or moved while it was in use")
        if self._opened is not None and now != self._opened:
            raise StoreLost(f"{self.path} is not the file that was opened: it was replaced while it was in use")

    def check(self, connection: Any, known: dict[str, Any], after: bool) -> None:
        """Raise StoreLost when ``connection`` (of the driver) no longer leads to the file under its name.

        ``known`` is kept with that connection. ``after`` a transaction the connection holds the log open, and nobody
        but us may remove it.
        """
        self.check_file()
        log = _identity(self.log)
        if known.get("log", log) != log:
            raise StoreLost(f"{self.log} is gone or was replaced while in use: the newest results were in it")
        if after and log is not None:
            known["log"] = log
        size = self.path.stat().st_size
        if size < self._size:
            # A VACUUM makes the file smaller, and then SQLite knows.
            pages, page = (connection.execute(f"PRAGMA {n}").fetchone()[0] for n in ("page_count", "page_size"))
            if size < pages * page:
                raise StoreLost(f"{self.path} was cut short to {size} bytes while it was in use")
        self._size = size
