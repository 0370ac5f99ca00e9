"""The ``sweep`` command: gathers the command files and turns our errors into one clean line."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

from search_space.errors import SweepError

COMMANDS = (
    "space",
    "data",
    "run",
    "resume",
    "retry",
    "status",
    "logs",
    "evaluate",
    "benchmark",
    "published",
    "best",
    "plot",
    "table",
    "report",
    "dashboard",
    "export",
    "upscale",
    "bundle",
    "search",
    "replay",
    "export_results",
    "db",
)
"""One module of ``sweep.cli`` each, in the order ``--help`` shows them; each has ``add(app)``."""

app = typer.Typer(
    name="sweep",
    help="Find the tiny super-resolution network to ship: enumerate, train, measure, store, draw.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

for _name in COMMANDS:
    import_module(f"sweep.cli.{_name}").add(app)


def main() -> None:
    """Entry point. Exit status: 0 done as asked, 1 finished with failed trials, 2 refused with one line on stderr."""
    try:
        app()
    except SweepError as error:
        print(f"sweep: {error}", file=sys.stderr)
        raise SystemExit(2) from None
