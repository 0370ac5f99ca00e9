"""``sweep db``: look at, check, back up, restore, shrink and copy the results database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sweep.cli import output
from sweep.cli.options import DEFAULT_DB, Db, Json

group = typer.Typer(
    help="Look at, check, back up, restore, shrink and copy the results database.", no_args_is_help=True
)


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
        facts = describe(store)
    if as_json:
        output.print_json(_document(facts), one_line=True)
        return
    output.print_text(f"{facts.url}  ({facts.server}, schema {facts.schema}, {facts.size / 2**20:.1f} MiB)")
    headings = ["sweep", "source", "space", "planned", "done", "running", "pending", "failed", "made"]
    rows = []
    for row, counts in facts.sweeps:
        numbers = (counts.planned, counts.done, counts.running, counts.pending, counts.failed)
        made = row.created_at.isoformat(" ", timespec="minutes")
        rows.append([row.name, row.source, row.space, *map(str, numbers), made])
    output.print_table(headings, rows, left=3)
    if count := facts.rows["checkpoint"]:
        size = facts.checkpoint_size / 2**20
        output.print_text(f"checkpoints of trials in training: {count}, {size:.1f} MiB")
    output.print_text("rows: " + ", ".join(f"{name} {count}" for name, count in facts.rows.items() if count))


def _document(facts: Any) -> dict[str, Any]:
    from sweep.cli.summary import count_fields

    return {
        "url": facts.url,
        "engine": facts.engine,
        "server": facts.server,
        "schema": facts.schema,
        "bytes": facts.size,
        "checkpoint_bytes": facts.checkpoint_size,
        "rows": facts.rows,
        "sweeps": [
            {
                "id": row.id,
                "name": row.name,
                "source": str(row.source),
                "space": row.space,
                "git": row.git,
                "created": row.created_at.isoformat(timespec="seconds"),
                **count_fields(counts),
            }
            for row, counts in facts.sweeps
        ],
    }


@group.command()
def backup(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="A new SQLite file.")],
    db: Db = DEFAULT_DB,
) -> None:
    """Write a consistent copy to a new SQLite file, also while a sweep is writing.

    Example: sweep db backup --db sweep.db --out monday.db
    """
    from results_db.connection.migrate import copy_file
    from results_db.store import Store
    from search_space.errors import StoreError

    with Store.open(db, readonly=True) as store:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the folder {out.parent}: {error.strerror}") from None
        path = store.database.address.path
        if path is not None:
            copy_file(path, out)
    if path is None:
        _copy(db, str(out), new=out)
    output.print_text(f"{out}: {out.stat().st_size / 2**20:.1f} MiB")


@group.command()
def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="A backup or a rescue file.")],
    db: Db = DEFAULT_DB,
) -> None:
    """Put a backup in the place of a SQLite database. What was there is moved aside, with its write-ahead log.

    Example: sweep db restore monday.db --db sweep.db
    """
    from results_db.restore import restore as put_in_place

    for moved in put_in_place(backup, db):
        output.note(f"moved aside: {moved}")
    output.print_text(f"{db} is now {backup}")


@group.command()
def migrate(db: Db = DEFAULT_DB) -> None:
    """Bring an older database to this version's schema, after a backup. Commands that write do it by themselves.

    Example: sweep db migrate --db sweep.db
    """
    from results_db.connection.opening import HEAD, stored_version
    from results_db.store import Store

    before = stored_version(db)
    with Store.open(db, make=False) as store:
        output.print_text(f"{store.url} has schema {HEAD}" + (f", had {before}" if before != HEAD else ""))


@group.command()
def check(db: Db = DEFAULT_DB, as_json: Json = False) -> None:
    """Check pages, references and the SHA-256 of every stored file; the exit status is 1 when something is wrong.

    Example: sweep db check --db sweep.db
    """
    from results_db.reading.check import faults
    from results_db.store import Store

    with Store.open(db, readonly=True) as store:
        found = faults(store)
    if as_json:
        output.print_json({"sound": not found, "faults": found}, one_line=True)
    else:
        output.print_lines(found or ["sound"])
    if found:
        raise typer.Exit(1)


@group.command()
def shrink(db: Db = DEFAULT_DB) -> None:
    """Give the space of what was deleted back to the disk.

    Writers wait while it runs; SQLite needs as much free disk again as the database is large.

    Example: sweep db shrink --db sweep.db
    """
    from results_db.housekeeping import shrink as give_back
    from results_db.store import Store

    with Store.open(db, make=False) as store:
        before, after = give_back(store)
    output.print_text(f"{after / 2**20:.1f} MiB, was {before / 2**20:.1f} MiB")


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
        output.print_json({"rows": rows}, one_line=True)
    else:
        output.print_text("copied: " + ", ".join(f"{name} {count}" for name, count in rows.items() if count))


def _copy(source: str, target: str, new: Path | None = None) -> dict[str, int]:
    from rich.progress import Progress

    from results_db.foreign import transfer
    from results_db.store import Store
    from search_space.errors import StoreError

    if new is not None and new.exists():
        raise StoreError(f"{new} exists already: name another file for the backup")
    with (
        Store.open(source, readonly=True) as origin,
        Store.open(target) as destination,
        Progress(console=output.stderr(), transient=True) as bar,
    ):
        task = bar.add_task("copy", total=None)
        return transfer.copy(
            origin, destination, lambda table, rows: bar.update(task, description=f"{table}: {rows} rows")
        )
