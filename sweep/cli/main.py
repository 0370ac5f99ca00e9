"""The ``sweep`` command: gathers the command files and turns our errors into one clean line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from functools import cache
from importlib import import_module
from typing import Annotated, Any, TextIO, cast

import typer

from search_space.errors import SweepError
from sweep.cli import output

COMMANDS = (
    "space",
    "recipe",
    "config",
    "data",
    "run",
    "resume",
    "retry",
    "list",
    "tag",
    "archive",
    "delete",
    "track",
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
    "zoo",
    "import_measurements",
    "cost",
    "search",
    "replay",
    "export_results",
    "db",
)
"""One module of ``sweep.cli`` each, in the order ``--help`` shows them; each has ``add(app)``."""


def _print_version(asked: bool) -> None:
    if asked:
        from sweep.api.version import __version__

        typer.echo(f"edge-sweep {__version__}")
        raise typer.Exit


class Outline(typer.Typer):
    """Commands with their names and help but without options, which take long to read: for the list of commands."""

    def command(  # type: ignore[override]
        self, name: str | None = None, **settings: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a function without options that has the help of the given one."""

        def keep(function: Callable[..., Any]) -> Callable[..., Any]:
            def listed() -> None: ...

            listed.__doc__ = function.__doc__
            super(Outline, self).command(name, **settings)(listed)
            return function

        return keep


def about(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None:
    """Find the tiny super-resolution network to ship: enumerate, train, measure, store, draw.

    Begin with `sweep run --space demo`, then `sweep plot pareto --out p.png`, `sweep report --out r.html` and
    `sweep best --scale 2`.
    """
    from pathlib import Path

    from sweep.settings_file import defaults_for, settings

    context.default_map = defaults_for(context.command, settings(os.environ, Path.cwd()))


def command_line(arguments: Sequence[str] = ()) -> typer.Typer:
    """The application, with no more of it loaded than these arguments need."""
    # A shell passes the line to complete in the environment, and needs the options too.
    outline = list(arguments) in (["--help"], ["-h"], []) and "_SWEEP_COMPLETE" not in os.environ
    asked = arguments[0].replace("-", "_") if arguments else ""
    application = (Outline if outline else typer.Typer)(
        name="sweep",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        # Boxes would cut the names of options on a usual terminal.
        rich_markup_mode="rich" if outline else None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.callback()(about)
    for name in [asked] if asked in COMMANDS else COMMANDS:
        import_module(f"sweep.cli.{name}").add(application)
    return application


@cache
def _whole() -> typer.Typer:
    return command_line(["--version"])


def __getattr__(name: str) -> typer.Typer:
    if name == "app":
        return _whole()
    raise AttributeError(name)


def main() -> None:
    """Entry point. Exit status: 0 done as asked, 1 finished with failed trials, 2 refused with one line on stderr,
    130 after Ctrl-C."""
    with redirect_stderr(cast(TextIO, output.Unheard(sys.stderr))):
        try:
            command_line(sys.argv[1:])()
        except SweepError as error:
            output.refuse(error)
            raise SystemExit(2) from None


if __name__ == "__main__":
    main()
