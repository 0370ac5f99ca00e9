"""``sweep db``: look at, back up and copy the results database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sweep.cli.options import DEFAULT_DB, Db, Json

group = typer.Typer(help="Look at, back up and copy the results database.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.add_typer(group, name="db")


@group.command()
def info(db: Db = DEFAULT_DB, as_json: Json = False) -> None:
    """Say what a database is, its schema, its size and the sweeps in it.

    Example: sweep db info --db sweep.db
    """
    from results_db.reading.info import describe
    from results_db.store import Store

    with Store.open(db, readonly=True) as store:
        found = describe(store)
    if as_json:
        print(json.dumps(_document(found)))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    console.print(f"{found.url}  ({found.server}, schema {found.schema}, {found.size / 2**20:.1f} MiB)", markup=False)
    table = Table("sweep", "source", "space", "planned", "done", "running", "pending", "failed", "made")
    for row, counts in found.sweeps:
        numbers = (counts.planned, counts.done, counts.running, counts.pending, counts.failed)
        table.add_row(
            escape(row.name),
            row.source,
            escape(row.space),
            *map(str, numbers),
            row.created_at.isoformat(" ", timespec="minutes"),
        )
    console.print(table)
    if count := found.rows["checkpoint"]:
        console.print(f"checkpoints of trials in training: {count}, {found.checkpoint_size / 2**20:.1f} MiB")
    console.print("rows: " + ", ".join(f"{name} {count}" for name, count in found.rows.items() if count))


def _document(found: Any) -> dict[str, Any]:
    return {
        "url": found.url,
        "engine": found.engine,
        "server": found.server,
        "schema": found.schema,
        "bytes": found.size,
        "checkpoint_bytes": found.checkpoint_size,
        "rows": found.rows,
        "sweeps": [
            {
                "id": row.id,
                "name": row.name,
                "source": str(row.source),
                "space": row.space,
                "git": row.git,
                "created": row.created_at.isoformat(timespec="seconds"),
                "planned": counts.planned,
                "done": counts.done,
                "failed": counts.failed,
                "running": counts.running,
                "pending": counts.pending,
            }
            for row, counts in found.sweeps
        ],
    }


@group.command()
def backup(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new SQLite file.")],
    db: Db = DEFAULT_DB,
) -> None:
    """Write a consistent copy to a new SQLite file, also while a sweep is writing.

    Example: sweep db backup --db sweep.db --out monday.db
    """
    from results_db.connection.migrate import copy_file
    from results_db.store import Store
    from search_space.errors import StoreError

    if not out.parent.is_dir():
        raise StoreError(f"{out}: the folder {out.parent} does not exist")
    with Store.open(db, readonly=True) as store:
        path = store.database.address.path
        if path is not None:
            copy_file(path, out)
    if path is None:
        _copy(db, str(out), new=out)
    print(f"{out}: {out.stat().st_size / 2**20:.1f} MiB")


@group.command()
def copy(
    source: Annotated[str, typer.Argument(metavar="SRC", help="Database to read.")],
    target: Annotated[str, typer.Argument(metavar="DST", help="Empty database to fill (made if it is new).")],
    as_json: Json = False,
) -> None:
    """Copy everything from one database to another, SQLite or PostgreSQL: all of it or nothing.

    Row counts and the SHA-256 of every stored file are checked before the copy counts.

    Example: sweep db copy sweep.db postgresql+psycopg://me@server/sweeps
    """
    rows = _copy(source, target)
    if as_json:
        print(json.dumps({"rows": rows}))
    else:
        print("copied: " + ", ".join(f"{name} {count}" for name, count in rows.items() if count))


def _copy(source: str, target: str, new: Path | None = None) -> dict[str, int]:
    from rich.console import Console
    from rich.progress import Progress

    from results_db.foreign import transfer
    from results_db.store import Store
    from search_space.errors import StoreError

    if new is not None and new.exists():
        raise StoreError(f"{new} exists already: name another file for the backup")
    with (
        Store.open(source, readonly=True) as one,
        Store.open(target) as other,
        Progress(console=Console(stderr=True), transient=True) as bar,
    ):
        task = bar.add_task("copy", total=None)
        return transfer.copy(one, other, lambda table, rows: bar.update(task, description=f"{table}: {rows} rows"))
