"""``sweep list``: all sweeps of a database."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from sweep.cli import completion, output
from sweep.cli.options import DEFAULT_DB, Db, Json


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("list")(list_sweeps)


def list_sweeps(
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", help="Only sweeps with this tag (repeatable).", autocompletion=completion.tags),
    ] = None,
    archived: Annotated[bool, typer.Option("--archived", help="Those set aside by sweep archive too.")] = False,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Every sweep: size, state, age, tags and its best model at each scale.

    Example: sweep list --tag paper
    """
    from results_db.reading.sweeps import summaries
    from results_db.store import Store
    from sweep.cli.summary import count_fields

    with Store.open(db, readonly=True) as store:
        listed = summaries(store, tag or (), archived)
    if as_json:
        output.print_json([
            {
                "id": one.row.id, "name": one.row.name, "source": str(one.row.source), "space": one.row.space,
                "state": one.state, "created": one.row.created_at.isoformat(timespec="seconds"),
                "tags": list(one.tags), "note": one.note, "dataset": one.dataset,
                "best": {str(scale): {"config": config, "psnr": psnr} for scale, (config, psnr) in one.best.items()},
                **count_fields(one.counts),
            }
            for one in listed
        ])  # fmt: skip
        return
    rows = []
    for one in listed:
        done = f"{one.counts.done}/{one.counts.planned}" + (
            f", {one.counts.failed} failed" if one.counts.failed else ""
        )
        best = ", ".join(f"x{scale} {psnr:.2f}" for scale, (_, psnr) in one.best.items())
        told = f"{best} dB on {one.dataset}" if best else ""
        age = _age((dt.datetime.now(dt.UTC) - one.row.created_at).total_seconds())
        rows.append([one.row.name, str(one.row.source), one.row.space, ", ".join(one.tags), one.state, done, age, told,
                     one.note])  # fmt: skip
    headings = ["sweep", "source", "space", "tags", "state", "done", "age", "best PSNR", "note"]
    output.print_table(headings, rows, left=5, hide_empty=True)


def _age(seconds: float) -> str:
    """A time span in its largest unit.

    >>> _age(45), _age(3 * 3600), _age(40 * 86400)
    ('45 s', '3 h', '40 d')
    """
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
