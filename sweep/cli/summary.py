"""The end of a command that drives a sweep: its summary, how to go on with it, and the exit status."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

import typer

from results_db.reading.disturbed import Timing, notes, timings
from results_db.records import Counts, SweepRow
from search_space.errors import StoreError
from sweep.cli import output
from sweep.planning.open_sweep import OpenSweep
from sweep.running.events import Report
from sweep.running.resume_command import ResumeCommand
from sweep.running.signals import EXIT_INTERRUPTED


def end_with_summary(sweep: OpenSweep, report: Report, resume: ResumeCommand, as_json: bool) -> None:
    """Print the summary and set the exit status: 130 after Ctrl-C, 1 when trials stay failed.

    After Ctrl-C a store that does not answer changes neither the status nor the command to go on with.
    """
    counts: Counts | None = None
    others = 0
    speeds = [] if report.interrupted else _speeds(sweep)
    try:
        counts = sweep.counts()
        others = sweep.others_missing(counts)
    except StoreError as error:
        if not report.interrupted:
            raise
        output.note(f"the store cannot say how far it is: {error}")
    if as_json:
        output.print_json(_document(sweep.row, report, counts, speeds, resume), one_line=True)
    else:
        if counts is not None:
            output.note(f"{counts.done} of {counts.planned} done, {counts.failed} failed ({report.seconds:.0f} s)")
        if others:
            output.note(f"{others} more trials of {sweep.name} were not asked for here; they stay as they are")
        if report.interrupted:
            show(resume)
        else:
            for note in notes(speeds, sweep.store.url):
                output.warn(note)
            _hint(sweep.store.url, counts)
    if report.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if counts is not None and counts.failed:
        raise typer.Exit(1)


def show(resume: ResumeCommand) -> None:
    """Print the command on stderr, on one line to be copied."""
    output.note(f"go on with: {resume.command}")
    if resume.note:
        output.note(f"({resume.note})")


def _speeds(sweep: OpenSweep) -> list[Timing]:
    """The stored speeds of the sweep's models."""
    configs = {config for names in sweep.store.configs_by_state(sweep.id).values() for config in names}
    return timings(speed for speed in sweep.store.speeds() if speed.config in configs)


def _hint(url: str, counts: Counts | None) -> None:
    if counts is not None and counts.failed:
        output.note(f"see why with: sweep status --failed --db {quote(url)}")
    else:
        output.note(f"draw it with: sweep plot pareto --db {quote(url)} --out p.png")


def count_fields(counts: Counts) -> dict[str, int]:
    """Counts under the names that scripts rely on."""
    return {
        "planned": counts.planned,
        "done": counts.done,
        "failed": counts.failed,
        "running": counts.running,
        "pending": counts.pending,
    }


def _document(
    row: SweepRow, report: Report, counts: Counts | None, speeds: Sequence[Timing], resume: ResumeCommand
) -> dict[str, object]:
    document: dict[str, object] = {"sweep": row.name}
    if counts is not None:
        document |= count_fields(counts)
    document |= {"seconds": round(report.seconds, 1), "interrupted": report.interrupted}
    if report.interrupted:
        return document | {"resume": resume.command}
    return document | {"speeds": len(speeds), "disturbed": sum(one.disturbed for one in speeds)}
