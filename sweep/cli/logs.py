"""``sweep logs``: every attempt at one config, with its traceback, and what happened beside the attempts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli.options import DEFAULT_DB, Db, Json

if TYPE_CHECKING:
    from results_db.records import AttemptRow, EventRow


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("logs")(logs)


def logs(
    config: Annotated[str, typer.Argument(metavar="ID", help="A config id.")],
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """The whole story of a config: attempts, nodes, times, errors, results that were fenced, leases that ran out.

    Example: sweep logs eSR-TM_s2_K5_C4
    """
    from results_db.store import Store
    from search_space import parse_id
    from search_space.errors import SweepError

    with Store.open(db, readonly=True) as store:
        attempts = store.attempts(config)
        events = {number: store.events(number) for number in dict.fromkeys(a.trial for a in attempts)}
    if not attempts:
        # Only now: a family of a user's own file need not be known here for its story to be told.
        parse_id(config)
        raise SweepError(f"no attempt at {config} is in this database")
    story = [(attempt, _during(attempt, attempts, events[attempt.trial])) for attempt in attempts]
    if as_json:
        typer.echo(json.dumps([_document(*chapter) for chapter in story], indent=2))
        return
    for attempt, happened in story:
        _show(attempt, happened)


def _during(attempt: AttemptRow, attempts: Sequence[AttemptRow], events: Sequence[EventRow]) -> list[EventRow]:
    """Events of a trial from the start of an attempt to the start of the next; the first has the earlier ones too."""
    starts = sorted(a.started_at for a in attempts if a.trial == attempt.trial)
    place = starts.index(attempt.started_at)
    later = starts[place + 1] if place + 1 < len(starts) else None
    return [e for e in events if (place == 0 or e.at >= attempt.started_at) and (later is None or e.at < later)]


def _document(a: AttemptRow, happened: Sequence[EventRow]) -> dict[str, Any]:
    return {
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
        "trained_with": asdict(a.provenance) if a.provenance else None,
        "events": [{"at": e.at.isoformat(), "kind": e.kind, "detail": e.detail} for e in happened],
    }


def _show(a: AttemptRow, happened: Sequence[EventRow]) -> None:
    ended = f"{(a.ended_at - a.started_at).total_seconds():.1f} s" if a.ended_at else "not ended"
    where = f"on {a.node or a.owner} ({ended}) {dict(a.detail)}"
    typer.echo(f"trial {a.trial} attempt {a.number}: {a.outcome or 'running'} {where}")
    if a.provenance:
        p = a.provenance
        typer.echo(f"  trained by {', '.join(p.engines) or 'nothing'} on {p.device} in {p.precision}, torch {p.torch}")
    if a.error:
        typer.echo(f"  {a.failure}: {a.error}")
    if a.traceback:
        typer.echo("  " + a.traceback.strip().replace("\n", "\n  "))
    for event in happened:
        typer.echo(f"  {event.at.isoformat(' ', timespec='seconds')} {event.kind}: {event.detail}")
