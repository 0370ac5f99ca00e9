"""The log of a sweep's runs: every event with its time, in a file beside the database."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from results_db.connection.urls import Address, redact
from search_space.visible import visible
from sweep.running.events import DriverEvent, EventKind

MOST_BYTES, FILES = 5 * 2**20, 3
"""Of one file, and how many older ones are kept."""


def log_path(address: Address) -> Path:
    """``sweep.db.log`` for ``sweep.db``; for a server's database ``NAME.log`` in the current folder."""
    if address.path is not None:
        return address.path.with_name(f"{address.path.name}.log")
    return Path(f"{Path(address.url.database or 'sweep').name}.log")


class LogFile:
    """A listener of driver events that writes them down. A log that cannot be written keeps no sweep from running."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log = logging.Logger("edge-sweep")
        self._handler: logging.Handler
        try:
            self._handler = RotatingFileHandler(path, maxBytes=MOST_BYTES, backupCount=FILES, encoding="utf-8")
        except OSError:
            self._handler = logging.NullHandler()
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(message)s"))
        self._handler.handleError = lambda record: None  # type: ignore[method-assign]
        self._log.addHandler(self._handler)

    def __enter__(self) -> LogFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.say(f"ended by {type(error).__name__}: {error}")
        self._handler.close()

    def say(self, line: str) -> None:
        """One line, without secrets and control characters."""
        self._log.info("%s", visible(redact(line)))

    def __call__(self, event: DriverEvent) -> None:
        """An event of the driver; how many steps are done is no news."""
        if event.kind is not EventKind.PROGRESS:
            self.say(" ".join(part for part in (event.kind, event.config, event.text) if part))
