"""``sweep logs``: every attempt at one config, with its traceback."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from sweep.cli.options import DEFAULT_DB, Db, Json


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("logs")(logs)


def logs(
    config: Annotated[str, typer.Argument(metavar="ID", help="A config id.")],
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """The whole story of a config: attempts, nodes, times, errors.

    Example: sweep logs eSR-TM_s2_K5_C4
    """
    from results_db.store import Store
    from search_space import parse_id
    from search_space.errors import SweepError

    parse_id(config)
    with Store.open(db, readonly=True) as store:
        attempts = store.attempts(config)
    if not attempts:
        raise SweepError(f"no attempt at {config} is in this database")
    if as_json:
        rows = [
            {
                "trial": a.trial,
                "attempt": a.number,
                "owner": a.owner,
                "node": a.node,
                "started": a.started_at.isoformat(),
                "ended": a.ended_at.isoformat() if a.ended_at else None,
                "outcome": a.outcome,
                "class": a.failure,
                "error": a.error,
                "traceback": a.traceback,
                "seconds": a.seconds,
                "steps": a.steps,
                "detail": dict(a.detail),
            }
            for a in attempts
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    for a in attempts:
        ended = f"{(a.ended_at - a.started_at).total_seconds():.1f} s" if a.ended_at else "not ended"
        typer.echo(
            f"trial {a.trial} attempt {a.number}: {a.outcome or 'running'} "
            f"on {a.node or a.owner} ({ended}) {dict(a.detail)}"
        )
        if a.error:
            typer.echo(f"  {a.failure}: {a.error}")
        if a.traceback:
            typer.echo("  " + a.traceback.strip().replace("\n", "\n  "))
