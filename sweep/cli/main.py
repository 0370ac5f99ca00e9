"""The ``sweep`` command: gathers the command files and turns our errors into one clean line."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated

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
    "import_measurements",
    "cost",
    "search",
    "replay",
    "export_results",
    "db",
)
"""One module of ``sweep.cli`` each, in the order ``--help`` shows them; each has ``add(app)``."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"edge-sweep {version('edge-sweep')}")
        raise typer.Exit


app = typer.Typer(
    name="sweep",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None:
    """Find the tiny super-resolution network to ship: enumerate, train, measure, store, draw.

    Begin with `sweep run --space demo`, then `sweep plot pareto`, `sweep report`, `sweep best`.
    """


for _name in COMMANDS:
    import_module(f"sweep.cli.{_name}").add(app)


def main() -> None:
    """Entry point. Exit status: 0 done as asked, 1 finished with failed trials, 2 refused with one line on stderr."""
    try:
        app()
    except SweepError as error:
        print(f"sweep: {error}", file=sys.stderr)
        raise SystemExit(2) from None
