"""Progress of a sweep on a terminal (a live bar) or in a log (a line now and then)."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sweep.running.events import Kind, Notice


class Display:
    """Listens to a driver. ``quiet`` shows nothing (for ``--json``)."""

    def __init__(self, total: int, console: Console, quiet: bool = False, every_s: float = 10.0) -> None:
        self._console, self._total, self._quiet, self._every = console, total, quiet, every_s
        self._counts = dict.fromkeys(Kind, 0)
        self._began = self._last = time.monotonic()
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

    def __call__(self, notice: Notice) -> None:
        """What the driver tells."""
        self._counts[notice.kind] += 1
        if self._quiet:
            return
        if notice.kind in (Kind.FAILED, Kind.LOST, Kind.FENCED):
            self._console.print(f"[yellow]{notice.kind}[/] {notice.config}: ", end="")
            self._console.print(notice.text, markup=False, highlight=False)
        done = self._counts[Kind.DONE]
        rate = f"{60 * done / max(1e-9, time.monotonic() - self._began):.1f}/min"
        if self._live:
            self._bar.update(self._task, completed=done, rate=rate, trouble=self._trouble())
        elif notice.kind is Kind.DONE and (time.monotonic() - self._last > self._every or done == self._total):
            self._last = time.monotonic()
            self._console.print(f"{done} of {self._total} done, {rate} {self._trouble()}".rstrip(), highlight=False)

    def _trouble(self) -> str:
        said = [(Kind.FAILED, "failed attempts"), (Kind.LOST, "lost packs"), (Kind.FENCED, "fenced")]
        return ", ".join(f"{self._counts[k]} {text}" for k, text in said if self._counts[k])
