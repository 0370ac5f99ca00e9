"""``sweep published``: other people's finished results as a sweep of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import completion, output
from sweep.cli.options import DEFAULT_DB, Db, Json

if TYPE_CHECKING:
    from results_db.foreign.published import Imported

group = typer.Typer(help="Put finished results from elsewhere into the store.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.add_typer(group, name="published")


@group.command("import")
def import_published(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The authors' tests.pkl.")],
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Import the edge-SR authors' results (1185 models, 5 test sets, 3 devices).

    The file is a pickle; it is read number by number and never unpickled. A second import changes nothing.

    Example: sweep published import tests.pkl --db sweep.db
    """
    from results_db.foreign import published
    from results_db.store import Store

    table = published.read(file)
    with Store.open(db) as store:
        _show(published.keep(store, table), as_json)


@group.command("import-table")
def import_table(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv or .json table as export-results writes it.")],
    name: Annotated[
        str,
        typer.Option("--sweep", "--name", help="Name of the sweep it becomes.", autocompletion=completion.sweeps),
    ],
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Import a finished table: columns config, psnr:SET and its like, device, fps, power_w, ...

    Example: sweep published import-table mine.csv --sweep mine --db sweep.db
    """
    from results_db.foreign import csv_json, published
    from results_db.store import Store

    table = csv_json.read(file, name)
    with Store.open(db) as store:
        _show(published.keep(store, table, name), as_json)


def _show(done: Imported, as_json: bool) -> None:
    counts = {
        kind: {"new": added.new, "same": added.same, "different": added.different}
        for kind, added in (("quality", done.quality), ("speed", done.speed))
    }
    if as_json:
        output.print_json({"sweep": done.sweep, "configs": done.configs, **counts}, one_line=True)
        return
    output.print_text(f"{done.configs} configs in sweep {done.sweep!r}")
    for kind, added in counts.items():
        kept = f", {added['different']} differ from what was there" if added["different"] else ""
        output.print_text(f"  {kind}: {added['new']} new, {added['same']} already there{kept}")
