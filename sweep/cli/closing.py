"""The closing words of a command that drives a sweep: what became of it, how to go on, and the exit status."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path

import typer
from rich.console import Console

from results_db.connection.urls import parse
from results_db.records import Counts, SweepRow
from results_db.states import State
from results_db.store import Store
from search_space.errors import StoreError
from sweep.running.events import Report
from sweep.running.launch import Launch

_OPTIONS = {
    "executor": "--executor",
    "address": "--address",
    "cpus": "--cpus-per-worker",
    "gpus": "--gpus-per-worker",
    "pack_size": "--pack-size",
    "max_attempts": "--max-attempts",
    "timeout": "--timeout",
    "device": "--device",
    "data_via": "--data-via",
}
"""How ``sweep resume`` spells the fields of ``Launch``."""


@dataclass(frozen=True)
class Advice:
    """The command that goes on with a sweep, and a note where it cannot be given whole."""

    command: str
    note: str = ""


def advice(row: SweepRow, wanted: Launch, db: str) -> Advice:
    """How to go on with ``row`` as it was run: to be typed as it is, but for a password, which is never shown."""
    shown, note = _address(db)
    words = ["sweep", "resume", "--name", row.name, *shown]
    root = row.settings.get("data", {}).get("root")
    if wanted.data_root and str(Path(wanted.data_root).resolve()) != root:
        words += ["--data-root", str(Path(wanted.data_root).resolve())]
    usual = {field.name: field.default for field in fields(Launch)}
    for name, option in _OPTIONS.items():
        value = getattr(wanted, name)
        if value != usual[name]:
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    if not wanted.benchmark:
        words.append("--no-benchmark")
    return Advice(shlex.join(words), note)


def _address(db: str) -> tuple[list[str], str]:
    """The option that names the database, and a note when its password had to be left out."""
    address = parse(db)
    if address.path is not None or not address.url.password:
        return ["--db", str(address)], ""
    if os.environ.get("SWEEP_DB") == db:
        return [], "SWEEP_DB holds the database's address, with its password"
    return ["--db", str(address)], "put the database's password in the place of ***: it is not shown"


def say(
    store: Store,
    row: SweepRow,
    report: Report,
    wanted: Launch,
    db: str,
    as_json: bool,
    only: frozenset[int] | None = None,
) -> None:
    """The closing words and the exit status: 130 after Ctrl-C, 1 when trials stay failed (of ``only``, if given).

    After Ctrl-C a store that does not answer changes neither the status nor how to go on.
    """
    console = Console(stderr=True)
    told = advice(row, wanted, db)
    counts: Counts | None = None
    others = 0
    try:
        whole = store.counts(row.id)
        counts = whole if only is None else _counts(store, row.id, only)
        others = whole.planned - whole.done - (counts.planned - counts.done)
    except StoreError as error:
        if not report.interrupted:
            raise
        console.print(f"the store cannot say how far it is: {error}", markup=False, highlight=False)
    if as_json:
        typer.echo(json.dumps(_summary(row, report, counts, told)))
    else:
        if counts is not None:
            console.print(f"{counts.done} of {counts.planned} done, {counts.failed} failed ({report.seconds:.0f} s)")
        if others:
            console.print(f"{others} more trials of {row.name} were not asked for here; they stay as they are")
        _hint(console, store, report, counts, told)
    if report.interrupted:
        raise typer.Exit(130)
    if counts is not None and counts.failed:
        raise typer.Exit(1)


def _hint(console: Console, store: Store, report: Report, counts: Counts | None, told: Advice) -> None:
    if report.interrupted:
        say_how_to_go_on(told, console)
        return
    db = shlex.join(["--db", store.url])
    failed = counts is not None and counts.failed
    hint = (
        f"see why with: sweep status --failed {db}" if failed else f"draw it with: sweep plot pareto {db} --out p.png"
    )
    console.print(hint, markup=False, highlight=False, soft_wrap=True)


def say_how_to_go_on(told: Advice, console: Console | None = None) -> None:
    """The command on one line, to be copied."""
    console = console or Console(stderr=True)
    console.print(f"go on with: {told.command}", markup=False, highlight=False, soft_wrap=True)
    if told.note:
        console.print(f"({told.note})", markup=False, highlight=False, soft_wrap=True)


def _summary(row: SweepRow, report: Report, counts: Counts | None, told: Advice) -> dict[str, object]:
    summary: dict[str, object] = {"sweep": row.name}
    if counts is not None:
        summary |= {
            "planned": counts.planned,
            "done": counts.done,
            "failed": counts.failed,
            "running": counts.running,
            "pending": counts.pending,
        }
    summary |= {"seconds": round(report.seconds, 1), "interrupted": report.interrupted}
    return summary | ({"resume": told.command} if report.interrupted else {})


def _counts(store: Store, sweep_id: int, only: frozenset[int]) -> Counts:
    found = Counter(row.state for row in store.trials(sweep_id) if row.id in only)
    return Counts(sum(found.values()), *(found[state] for state in State))
