"""``sweep config``: which settings hold here, and where they come from."""

from __future__ import annotations

import typer

from sweep.cli import output
from sweep.cli.options import Json

group = typer.Typer(help="The settings that hold here.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="config")


@group.command()
def show(as_json: Json = False) -> None:
    """Every setting, its value and its origin: an environment variable, the project's file or the default.

    Example: sweep config show

    An option on the command line comes before an environment variable, that before edge-sweep.toml (or
    [tool.edge-sweep] in pyproject.toml) here or in a folder above, and that before the default.
    """
    import os
    from pathlib import Path

    from results_db.connection.urls import parse
    from sweep.settings_file import DEFAULTS, VARIABLES, settings

    known = settings(os.environ, Path.cwd())
    rows = []
    for name, setting in known.items():
        value = DEFAULTS[name] if setting.value is None else setting.value
        # An address is shown without its password.
        shown = str(parse(value)) if name == "db" else value
        rows.append([name, shown, setting.origin, VARIABLES[name]])
    if as_json:
        facts = [dict(zip(("name", "value", "origin", "variable"), row, strict=True)) for row in rows]
        output.print_json(facts)
        return
    output.print_table(["setting", "value", "from", "variable"], rows, left=4)
