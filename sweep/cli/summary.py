"""The end of a command that drives a sweep: its summary, the command that goes on with it, and the exit status."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, fields
from pathlib import Path

import typer

from results_db.connection.urls import parse
from results_db.records import Counts, SweepRow
from search_space.errors import StoreError
from sweep.cli import output
from sweep.planning.open_sweep import OpenSweep
from sweep.planning.settings import SweepSettings
from sweep.running.events import Report
from sweep.running.launch import Launch
from sweep.running.signals import EXIT_INTERRUPTED

_OPTIONS = {
    "executor": "--executor",
    "address": "--address",
    "cpus": "--cpus-per-worker",
    "gpus": "--gpus-per-worker",
    "pack_size": "--pack-size",
    "max_attempts": "--max-attempts",
    "timeout": "--timeout",
    "checkpoint_every": "--checkpoint-every",
    "device": "--device",
    "data_via": "--data-via",
    "speed_protocol": "--speed-protocol",
}
"""How ``sweep resume`` spells the fields of ``Launch``."""


@dataclass(frozen=True)
class ResumeCommand:
    """The command that goes on with a sweep, and a note where it cannot be given whole."""

    command: str
    note: str = ""

    def show(self) -> None:
        """Print it on stderr, on one line to be copied."""
        output.note(f"go on with: {self.command}")
        if self.note:
            output.note(f"({self.note})")


def resume_command(row: SweepRow, how: Launch, db: str) -> ResumeCommand:
    """How to go on with ``row`` as it was run: to be typed as it is, but for a password, which is never shown."""
    address, note = _address(db)
    words = ["sweep", "resume", "--name", row.name, *address]
    root = SweepSettings.from_dict(row.settings).data.root
    if how.data_root and str(Path(how.data_root).resolve()) != root:
        words += ["--data-root", str(Path(how.data_root).resolve())]
    defaults = {field.name: field.default for field in fields(Launch)}
    for name, option in _OPTIONS.items():
        value = getattr(how, name)
        if value != defaults[name]:
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    if not how.benchmark:
        words.append("--no-benchmark")
    return ResumeCommand(shlex.join(words), note)


def _address(db: str) -> tuple[list[str], str]:
    """The option that names the database, and a note when its password had to be left out."""
    address = parse(db)
    if address.path is not None or not address.url.password:
        return ["--db", str(address)], ""
    if os.environ.get("SWEEP_DB") == db:
        return [], "SWEEP_DB holds the database's address, with its password"
    return ["--db", str(address)], "put the database's password in the place of ***: it is not shown"


def end_with_summary(sweep: OpenSweep, report: Report, resume: ResumeCommand, as_json: bool) -> None:
    """Print the summary and set the exit status: 130 after Ctrl-C, 1 when trials stay failed.

    After Ctrl-C a store that does not answer changes neither the status nor the command to go on with.
    """
    counts: Counts | None = None
    others = 0
    try:
        counts = sweep.counts()
        others = sweep.others_missing(counts)
    except StoreError as error:
        if not report.interrupted:
            raise
        output.note(f"the store cannot say how far it is: {error}")
    if as_json:
        output.print_json(_document(sweep.row, report, counts, resume), one_line=True)
    else:
        if counts is not None:
            output.note(f"{counts.done} of {counts.planned} done, {counts.failed} failed ({report.seconds:.0f} s)")
        if others:
            output.note(f"{others} more trials of {sweep.name} were not asked for here; they stay as they are")
        if report.interrupted:
            resume.show()
        else:
            _warn_of_disturbed(sweep)
            _hint(sweep.store.url, counts)
    if report.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if counts is not None and counts.failed:
        raise typer.Exit(1)


def _warn_of_disturbed(sweep: OpenSweep) -> None:
    """Say how many speeds of the sweep's models are disturbed, and how to measure them again."""
    from results_db.reading.disturbed import notes, timings

    configs = {row.key.config for row in sweep.store.trials(sweep.id)}
    here = [speed for speed in sweep.store.speeds() if speed.config in configs]
    for note in notes(timings(here), sweep.store.url):
        output.warn(note)


def _hint(url: str, counts: Counts | None) -> None:
    db = shlex.join(["--db", url])
    if counts is not None and counts.failed:
        output.note(f"see why with: sweep status --failed {db}")
    else:
        output.note(f"draw it with: sweep plot pareto {db} --out p.png")


def count_fields(counts: Counts) -> dict[str, int]:
    """Counts under the names that scripts rely on."""
    return {
        "planned": counts.planned,
        "done": counts.done,
        "failed": counts.failed,
        "running": counts.running,
        "pending": counts.pending,
    }


def _document(row: SweepRow, report: Report, counts: Counts | None, resume: ResumeCommand) -> dict[str, object]:
    document: dict[str, object] = {"sweep": row.name}
    if counts is not None:
        document |= count_fields(counts)
    document |= {"seconds": round(report.seconds, 1), "interrupted": report.interrupted}
    return document | ({"resume": resume.command} if report.interrupted else {})
