"""``sweep zoo``: a finished sweep as a folder to share, and such a folder as a database."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from sweep.cli import output
from sweep.cli.options import DEFAULT_DB, Db, Json, SweepName

Source = Annotated[
    str, typer.Argument(metavar="DIR|URL", help="A folder that sweep zoo export wrote, or its web address.")
]

group = typer.Typer(help="Trained networks as a folder to share, and back into a database.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.add_typer(group, name="zoo")


@group.command("export")
def export_zoo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write; it is made.")],
    db: Db = DEFAULT_DB,
    sweep: SweepName = None,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that has files already.")] = False,
    as_json: Json = False,
) -> None:
    """Write a sweep as a folder: model card, chart, results as CSV and Parquet, weights as safetensors, hashes.

    Example: sweep zoo export --db sweep.db --out zoo
    """
    from results_db.store import Store
    from sweep.planning.open_sweep import find_row
    from sweep.zoo.document import MANIFEST
    from sweep.zoo.export import export

    with Store.open(db, readonly=True) as store:
        zoo = export(store, find_row(store, sweep).id, out, force=force)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    facts = {"sweep": zoo.sweep.name, "networks": len(zoo.trials), "planned": zoo.planned, "bytes": size}
    if as_json:
        output.print_json({**facts, "folder": str(out)}, one_line=True)
        return
    of = "" if len(zoo.trials) == zoo.planned else f" of {zoo.planned}"
    output.print_text(f"{out}: {len(zoo.trials)}{of} networks of sweep {zoo.sweep.name!r}, {size / 1e6:.1f} MB")
    folder = quote(str(out))
    output.print_text(f"take it back with: sweep zoo import {folder} --db zoo.db   (hashes are in {out / MANIFEST})")


@group.command("import")
def import_zoo(
    source: Source,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Take trained networks and their results into a database; every file is checked against its SHA-256.

    Example: sweep zoo import zoo --db zoo.db
    """
    from results_db.store import Store
    from sweep.zoo.load import load_into

    with Store.open(db) as store:
        loaded = load_into(store, source)
        url = store.url
    if as_json:
        output.print_json(vars(loaded), one_line=True)
        return
    output.print_text(
        f"sweep {loaded.sweep!r}: {loaded.networks} networks, {loaded.new} of them new; {loaded.speeds} speeds"
    )
    output.print_text(f"choose one with: sweep best --db {quote(url)} --scale 2")
