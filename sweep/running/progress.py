"""Progress of a sweep on a terminal (a live bar) or in a log (a line now and then)."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from search_space.visible import visible
from sweep.planning.in_words import in_words
from sweep.planning.training_progress import Rate, TrainingProgress
from sweep.running.events import DriverEvent, EventKind

STEPS_EVERY = 6
"""A line that tells only of steps comes that many times less often than one after a finished trial."""

TROUBLE = frozenset((EventKind.FAILED, EventKind.LOST, EventKind.FENCED, EventKind.NODE, EventKind.WAITING))
"""What is always told."""


class Display:
    """A listener of driver events. ``quiet`` shows nothing, ``verbose`` each event."""

    def __init__(
        self, total: int, console: Console, quiet: bool = False, every_s: float = 10.0, verbose: bool = False
    ) -> None:
        self._console, self._total, self._quiet, self._every = console, total, quiet, every_s
        self._shown = set(EventKind) - {EventKind.PROGRESS} if verbose else TROUBLE
        self._counts = dict.fromkeys(EventKind, 0)
        self._started = self._last_line = time.monotonic()
        self._live = console.is_terminal and not quiet
        self._progress, self._rate, self._left = TrainingProgress(), Rate(), ""
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.fields[steps]}"),
            TextColumn("{task.fields[trials]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[trouble]}"),
            console=console,
            transient=False,
        )
        self._task = self._bar.add_task("training", total=1.0, steps="", trials="", left="", trouble="")

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
        if event.kind in self._shown:
            self._console.print(f"[yellow]{event.kind}[/] {escape(visible(event.config))}: ", end="")
            self._console.print(visible(event.text), markup=False, highlight=False)
        now = time.monotonic()
        if event.kind is EventKind.PROGRESS:
            self._progress = event.progress
            left = event.progress.left_s(self._rate.see(now, event.progress.work))
            self._left = f"about {in_words(left)} left" if left else ""
        done = self._counts[EventKind.DONE]
        if self._live:
            self._bar.update(
                self._task,
                completed=1.0 if done == self._total else self._progress.share,
                steps=self._steps(),
                trials=f"{done}/{self._total} trials",
                left=self._left,
                trouble=self._trouble(),
            )
            return
        waited = now - self._last_line
        if (event.kind is EventKind.DONE and (waited > self._every or done == self._total)) or (
            event.kind is EventKind.PROGRESS and waited > STEPS_EVERY * self._every
        ):
            self._last_line = now
            rate = f"{60 * done / max(1e-9, now - self._started):.1f}/min"
            parts = [f"{done} of {self._total} done", rate, self._steps(), self._left, self._trouble()]
            self._console.print(", ".join(part for part in parts if part), highlight=False)

    def _steps(self) -> str:
        planned = self._progress.steps_planned
        return f"{self._progress.steps:,} of {planned:,} steps" if planned else ""

    def _trouble(self) -> str:
        labels = [
            (EventKind.FAILED, "failed attempts"),
            (EventKind.LOST, "lost packs"),
            (EventKind.FENCED, "fenced"),
        ]
        return ", ".join(f"{self._counts[kind]} {label}" for kind, label in labels if self._counts[kind])
