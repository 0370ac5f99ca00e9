"""``sweep logs``: every attempt at one config, with its traceback, and the events between attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli import output
from sweep.cli.options import DEFAULT_DB, ConfigId, Db, Json

if TYPE_CHECKING:
    from results_db.reading.trial_facts import Curve
    from results_db.records import AttemptRow, EventRow
    from results_db.store import Store
    from search_space.facts import CudaState


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("logs")(logs)


def logs(
    config: ConfigId,
    curve: Annotated[bool, typer.Option("--curve", help="The training loss of each trial.")] = False,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """The history of a config: attempts, nodes, times, errors, results that were fenced, leases that ran out.

    Example: sweep logs eSR-TM_s2_K5_C4

    Example: sweep logs eSR-TM_s2_K5_C4 --curve
    """
    from results_db.store import Store
    from search_space import parse_id
    from search_space.errors import SweepError

    with Store.open(db, readonly=True) as store:
        attempts = store.attempts(config)
        losses = _curves(store, attempts) if curve else {}
        by_trial = {trial: store.events(trial) for trial in dict.fromkeys(attempt.trial for attempt in attempts)}
    if not attempts:
        # Only now: the history of a family of a user's own file is shown without the file.
        parse_id(config)
        raise SweepError(f"no attempt at {config} is in this database")
    history = [(attempt, _during(attempt, attempts, by_trial[attempt.trial])) for attempt in attempts]
    if as_json:
        output.print_json([_document(*part, losses.get(part[0].trial)) for part in history])
        return
    for attempt, events in history:
        _show(attempt, events)
        if curve and attempt.outcome == "done":
            _show_curve(losses.get(attempt.trial, ()))


def _curves(store: Store, attempts: Sequence[AttemptRow]) -> dict[int, Curve]:
    from results_db.reading.trial_facts import curves

    return curves(store, [attempt.trial for attempt in attempts if attempt.outcome == "done"])


def _show_curve(curve: Curve) -> None:
    from sweep.cli.curve_drawing import in_words, sparkline

    if curve:
        output.print_text(f"  {sparkline(curve)}")
    output.print_text(f"  {in_words(curve) if curve else 'no training loss is stored'}")


def _during(attempt: AttemptRow, attempts: Sequence[AttemptRow], events: Sequence[EventRow]) -> list[EventRow]:
    """Events of a trial from the start of an attempt to the start of the next; the first has the earlier ones too."""
    starts = sorted(other.started_at for other in attempts if other.trial == attempt.trial)
    place = starts.index(attempt.started_at)
    later = starts[place + 1] if place + 1 < len(starts) else None
    return [
        event
        for event in events
        if (place == 0 or event.at >= attempt.started_at) and (later is None or event.at < later)
    ]


def _document(attempt: AttemptRow, events: Sequence[EventRow], curve: Curve | None = None) -> dict[str, Any]:
    losses = {"curve": [list(point) for point in curve]} if curve and attempt.outcome == "done" else {}
    return {
        "trial": attempt.trial,
        "attempt": attempt.number,
        "owner": attempt.owner,
        "node": attempt.node,
        "started": attempt.started_at.isoformat(),
        "ended": attempt.ended_at.isoformat() if attempt.ended_at else None,
        "outcome": attempt.outcome,
        "class": attempt.failure,
        "error": attempt.error,
        "traceback": attempt.traceback,
        "seconds": attempt.seconds,
        "steps": attempt.steps,
        "detail": dict(attempt.detail),
        "trained_with": asdict(attempt.provenance) if attempt.provenance else None,
        "events": [{"at": event.at.isoformat(), "kind": event.kind, "detail": event.detail} for event in events],
        **losses,
    }


def _show(attempt: AttemptRow, events: Sequence[EventRow]) -> None:
    ended = f"{(attempt.ended_at - attempt.started_at).total_seconds():.1f} s" if attempt.ended_at else "not ended"
    where = f"on {attempt.node or attempt.owner} ({ended}) {dict(attempt.detail)}"
    output.print_text(f"trial {attempt.trial} attempt {attempt.number}: {attempt.outcome or 'running'} {where}")
    if origin := attempt.provenance:
        engines = ", ".join(origin.engines) or "nothing"
        output.print_text(f"  trained by {engines} on {origin.device} in {origin.precision}, torch {origin.torch}")
        if origin.cuda:
            output.print_text(f"  with {_in_words(origin.cuda)}")
    if attempt.error:
        output.print_text(f"  {attempt.failure}: {attempt.error}")
    if attempt.traceback:
        output.print_text("  " + attempt.traceback.strip().replace("\n", "\n  "))
    for event in events:
        output.print_text(f"  {event.at.isoformat(' ', timespec='seconds')} {event.kind}: {event.detail}")


def _in_words(cuda: CudaState) -> str:
    """For example ``driver 580.65.06, CUDA 13.0, cuDNN 91002, TF32 off, cuDNN autotuning off``."""
    allowed = [name for name, on in (("products", cuda.tf32_matmul), ("convolutions", cuda.tf32_cudnn)) if on]
    versions = (("driver", cuda.driver), ("CUDA", cuda.cuda), ("cuDNN", cuda.cudnn))
    told = [f"{name} {version or 'unknown'}" for name, version in versions]
    told.append(f"TF32 in {' and '.join(allowed)}" if allowed else "TF32 off")
    return ", ".join([*told, f"cuDNN autotuning {'on' if cuda.cudnn_autotune else 'off'}"])
