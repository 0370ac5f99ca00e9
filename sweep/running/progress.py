"""Progress of a sweep on a terminal (a live bar) or in a log (a line every few seconds)."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from search_space.visible import visible
from sweep.running.events import DriverEvent, EventKind


class Display:
    """A listener of driver events. ``quiet`` shows nothing (for ``--json``)."""

    def __init__(self, total: int, console: Console, quiet: bool = False, every_s: float = 10.0) -> None:
        self._console, self._total, self._quiet, self._every = console, total, quiet, every_s
        self._counts = dict.fromkeys(EventKind, 0)
        self._started = self._last_line = time.monotonic()
        self._live = console.is_terminal and not quiet
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[trouble]}"),
            console=console,
            transient=False,
        )
        self._task = self._bar.add_task("training", total=total, rate="", trouble="")

    def __enter__(self) -> Display:
        if self._live:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._bar.stop()

    def __call__(self, event: DriverEvent) -> None:
        """Count an event of the driver and show it."""
        self._counts[event.kind] += 1
        if self._quiet:
            return
        if event.kind in (EventKind.FAILED, EventKind.LOST, EventKind.FENCED, EventKind.NODE):
            self._console.print(f"[yellow]{event.kind}[/] {escape(visible(event.config))}: ", end="")
            self._console.print(visible(event.text), markup=False, highlight=False)
        done = self._counts[EventKind.DONE]
        now = time.monotonic()
        rate = f"{60 * done / max(1e-9, now - self._started):.1f}/min"
        if self._live:
            self._bar.update(self._task, completed=done, rate=rate, trouble=self._trouble())
        elif event.kind is EventKind.DONE and (now - self._last_line > self._every or done == self._total):
            self._last_line = now
            self._console.print(f"{done} of {self._total} done, {rate} {self._trouble()}".rstrip(), highlight=False)

    def _trouble(self) -> str:
        labels = [
            (EventKind.FAILED, "failed attempts"),
            (EventKind.LOST, "lost packs"),
            (EventKind.FENCED, "fenced"),
        ]
        return ", ".join(f"{self._counts[kind]} {label}" for kind, label in labels if self._counts[kind])
