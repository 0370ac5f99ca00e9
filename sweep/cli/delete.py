"""``sweep delete``: delete sweeps, after a backup."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import output
from sweep.cli.options import DEFAULT_DB, Db, Json, SweepNames

if TYPE_CHECKING:
    from results_db.tables.removal import Removal


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("delete")(delete)


def delete(
    names: SweepNames,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; nothing is changed.")] = False,
    backup: Annotated[bool, typer.Option("--backup/--no-backup", help="Copy the database first.")] = True,
    shrink: Annotated[
        bool, typer.Option("--shrink/--no-shrink", help="Give the space back to the disk afterwards.")
    ] = True,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Delete sweeps with their trials, quality, weights and logs, after a backup of the whole database.

    Trials that another sweep has too stay, and so do speeds, which belong to a device and not to a sweep (imported ones
    go with their import).

    Example: sweep delete first-try --dry-run
    """
    from results_db import housekeeping
    from results_db.store import Store

    with Store.open(db, readonly=dry_run, make=False) as store:
        numbers = [store.sweep_id(name) for name in dict.fromkeys(names)]
        found = [housekeeping.would_delete(store, number) for number in numbers]
        kept = sizes = None
        if not dry_run:
            for place, number in enumerate(numbers):
                # One copy, from before the first, is enough.
                found[place], name = housekeeping.delete(store, number, backup and place == 0)
                kept = name if place == 0 and backup else kept
            sizes = housekeeping.shrink(store) if shrink else None
    if as_json:
        output.print_json(
            {"deleted": [vars(one) for one in found], "dry_run": dry_run, "backup": kept,
             "bytes_before": sizes and sizes[0], "bytes_after": sizes and sizes[1]}, one_line=True,
        )  # fmt: skip
        return
    for one in found:
        output.print_text(_in_words(one, "would go" if dry_run else "deleted"))
    if kept:
        output.note(f"backup: {kept}")
        if "/" in kept:
            output.note(f"bring it back with: sweep db restore {quote(kept)} --db {quote(db)}")
    if sizes:
        output.note(f"the database is {sizes[1] / 2**20:.1f} MiB, was {sizes[0] / 2**20:.1f} MiB")


def _in_words(one: Removal, what: str) -> str:
    parts = [f"{one.trials} trials", f"{one.size / 2**20:.1f} MiB of weights and checkpoints"]
    if one.speeds:
        parts.append(f"{one.speeds} imported speeds")
    shared = f"; {one.shared} trials stay, other sweeps have them too" if one.shared else ""
    return f"{what}: sweep {one.sweep} ({', '.join(parts)}){shared}"
