"""``sweep tag``: words and a note that say what a sweep was for."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.cli import completion, output
from sweep.cli.options import DEFAULT_DB, Db


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("tag")(tag)


def tag(
    name: Annotated[
        str, typer.Argument(metavar="SWEEP", help="A sweep's name or number.", autocompletion=completion.sweeps)
    ],
    tags: Annotated[
        list[str] | None, typer.Argument(metavar="[TAG]...", help="Tags to add.", autocompletion=completion.tags)
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", help="Take this tag away (repeatable).", autocompletion=completion.tags),
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="A line about the sweep; an empty one removes it.")] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Tag a sweep, or write a note to it; `sweep list --tag TAG` finds it again.

    Example: sweep tag paper-paper-3f2a91 baseline --note "before the new start"
    """
    from results_db.reading.sweeps import change, tags_of
    from results_db.store import Store

    with Store.open(db, make=False) as store:
        row = change(store, name, tags or (), remove or (), note)
    output.print_text(f"{row.name}: {', '.join(tags_of(row)) or 'no tags'}")
