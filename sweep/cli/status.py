"""``sweep status``: how far a sweep is."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli.options import DEFAULT_DB, Db, Json, SweepName

if TYPE_CHECKING:
    from results_db.store import Store


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("status")(status)


def status(
    name: SweepName = None,
    failed: Annotated[bool, typer.Option("--failed", help="The last error of each failed trial.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every few seconds until all is done.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.2, help="Seconds between two looks.")] = 2.0,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Counts by state, who works on it, what failed.

    Example: sweep status --watch
    """
    from results_db.store import Store

    with Store.open(db, readonly=True) as store:
        while True:
            facts = gather(store, name, failed)
            if as_json:
                typer.echo(json.dumps(facts))
            else:
                _show(facts, failed)
            if not watch or facts["done"] + facts["failed"] >= facts["planned"]:
                return
            time.sleep(every)


def gather(store: Store, name: str | None, failed: bool) -> dict[str, Any]:
    """The facts behind the command, as JSON has them."""
    from sweep.planning.open_sweep import find_row

    row = find_row(store, name)
    counts = store.counts(row.id)
    facts: dict[str, Any] = {
        "planned": counts.planned,
        "done": counts.done,
        "failed": counts.failed,
        "running": counts.running,
        "pending": counts.pending,
        "sweep": row.name,
        "space": row.space,
        "recipe": json.loads(row.recipe_json).get("name"),
        "started": row.created_at.isoformat(timespec="seconds"),
        "database": store.url,
    }
    if counts.failed:
        last = store.failures(row.id)
        classes: dict[str, int] = {}
        for attempt in last:
            classes[str(attempt.failure)] = classes.get(str(attempt.failure), 0) + 1
        facts["classes"] = classes
        if failed:
            facts["failures"] = [
                {"config": a.config, "attempt": a.number, "class": a.failure, "error": a.error, "node": a.node}
                for a in last
            ]
    return facts


def _show(facts: dict[str, Any], failed: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    share = 100 * facts["done"] / facts["planned"] if facts["planned"] else 0
    title = f"sweep {facts['sweep']} (space {facts['space']}, recipe {facts['recipe']})"
    console.print(title, markup=False, highlight=False)
    console.print(
        f"{facts['done']} of {facts['planned']} done ({share:.0f} %), {facts['running']} running, "
        f"{facts['pending']} pending, {facts['failed']} failed",
        highlight=False,
    )
    for kind, count in facts.get("classes", {}).items():
        console.print(f"  {kind}: {count}", highlight=False)
    if failed and facts.get("failures"):
        table = Table("config", "attempt", "class", "last error")
        for row in facts["failures"]:
            table.add_row(row["config"], str(row["attempt"]), str(row["class"]), escape(row["error"] or ""))
        console.print(table)
