"""The one output layer: results go to stdout, progress and notes to stderr."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import typer

from search_space.visible import visible

if TYPE_CHECKING:
    from rich.console import Console


MOST_WIDTH = 10_000
"""Characters of a line of a table."""


class Advance(Protocol):
    """How far a task of a bar is."""

    def __call__(self, completed: float, total: float | None = None) -> None:
        """Show ``completed`` of ``total`` (None: as before)."""


def print_json(document: Any, one_line: bool = False) -> None:
    """Facts for programs. NaN and infinities, which JSON does not have, become null."""
    typer.echo(json.dumps(_finite(document), indent=None if one_line else 1, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, (list, tuple)) else value


def print_text(text: str) -> None:
    """A line of plain text on stdout, without markup or line breaks of its own."""
    typer.echo(visible(text))


def print_lines(lines: Iterable[str]) -> None:
    """Lines on stdout and nothing after the last."""
    typer.echo("".join(f"{visible(line)}\n" for line in lines), nl=False)


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str | None = None,
    left: int = 1,
    hide_empty: bool = False,
    bold: int | None = None,
    to_stderr: bool = False,
) -> None:
    """A table of facts on stdout (or ``to_stderr``): the first ``left`` columns hold names, the others numbers.

    ``hide_empty`` leaves out columns in which no row has a value; ``bold`` is the place of a row to highlight.
    """
    listed = [[visible(cell) for cell in row] for row in rows]
    shown = [i for i in range(len(headings)) if not hide_empty or i < left or any(row[i] for row in listed)]
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(visible(title)) if title else None, title_justify="left", show_edge=False)
    for i in shown:
        table.add_column(escape(headings[i]), justify="left" if i < left else "right", no_wrap=i < left)
    for place, row in enumerate(listed):
        table.add_row(*(escape(row[i]) for i in shown), style="bold" if place == bold else None)
    console = stderr() if to_stderr else stdout()
    # A cell is never broken inside a name or a number: where the terminal is too narrow, its lines run on.
    natural = console.measure(table, options=console.options.update(max_width=MOST_WIDTH)).maximum
    console.width = max(console.width, natural)
    console.print(table)


def clear_screen() -> None:
    """Begin again at the top of a terminal; nothing where stdout is no terminal."""
    stdout().clear()


def note(text: str, style: str | None = None) -> None:
    """A line for a person, on stderr; long lines are not broken, so that commands can be copied."""
    stderr().print(visible(text), style=style, markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """A line about something that is not as it should be, on stderr."""
    note(text, "yellow")


def error(text: str) -> None:
    """A line about something that failed, on stderr."""
    note(text, "red")


def refuse(reason: BaseException) -> None:
    """Our error as the last line of a command, on stderr."""
    typer.echo(f"sweep: {visible(str(reason))}", err=True)


class Unheard:
    """A text stream whose reader may leave (``sweep run 2>&1 | head``): what nobody reads does not end a command."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As the stream, as long as somebody reads it."""
        self._unless_closed(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """As the stream, as long as somebody reads it."""
        self._unless_closed(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _unless_closed(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BrokenPipeError:
            # Python writes what is left once more at its end, and Ray's libraries write to the number.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def stdout() -> Console:
    """The console of facts."""
    from rich.console import Console

    return Console()


def stderr() -> Console:
    """The console of progress and notes."""
    from rich.console import Console

    return Console(stderr=True)


@contextmanager
def progress_bar(label: str, total: float | None = None) -> Iterator[Advance]:
    """A bar on stderr while the block runs; nothing where stderr is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = stderr()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=total)

        def advance(completed: float, total: float | None = None) -> None:
            bar.update(task, completed=completed, total=total)

        yield advance
