"""The command that goes on with a sweep as it was run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from results_db.connection.urls import parse
from results_db.records import SweepRow
from sweep.planning.settings import SweepSettings
from sweep.running.launch_options import Launch
from sweep.tracking.by_name import split

_OPTIONS = {
    "executor": "--executor",
    "address": "--address",
    "cpus": "--cpus-per-worker",
    "gpus": "--gpus-per-worker",
    "workers": "--workers",
    "pack_size": "--pack-size",
    "max_attempts": "--max-attempts",
    "timeout": "--timeout",
    "checkpoint_every": "--checkpoint-every",
    "device": "--device",
    "data_via": "--data-via",
    "speed_protocol": "--speed-protocol",
}
"""How ``sweep resume`` spells the fields of ``Launch``."""

OF_A_JOB = "the Ray cluster ends with this job: submit the job again, or name another cluster with --address"


@dataclass(frozen=True)
class ResumeCommand:
    """The command that goes on with a sweep, and a note where it cannot be given whole."""

    command: str
    note: str = ""


def resume_command(row: SweepRow, how: Launch, db: str) -> ResumeCommand:
    """How to go on with ``row`` as it was run: to be typed as it is, but for a password, which is never shown."""
    address, note = _address(db)
    words = ["sweep", "resume", "--name", row.name, *address]
    trackers, secret = _trackers(how.track)
    lost = how.address not in ("local", "auto") and "SLURM_JOB_ID" in os.environ
    notes = [each for each in (note, secret, OF_A_JOB if lost else "") if each]
    root = SweepSettings.from_dict(row.settings).data.root
    if how.data_root and str(Path(how.data_root).resolve()) != root:
        words += ["--data-root", str(Path(how.data_root).resolve())]
    defaults = {field.name: field.default for field in fields(Launch)}
    for name, option in _OPTIONS.items():
        value = getattr(how, name)
        if value != defaults[name] and not (lost and name == "address"):
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    if not how.benchmark:
        words.append("--no-benchmark")
    return ResumeCommand(shlex.join([*words, *trackers]), "; ".join(notes))


def _trackers(asked: Sequence[str]) -> tuple[list[str], str]:
    """The options that name the trackers, and a note when a webhook's address, often a secret, had to be left out."""
    words: list[str] = []
    note = ""
    for each in asked:
        name, where = split(each)
        if name == "webhook" and where:
            each, note = "webhook=***", "put the webhook's address in the place of ***: it is not shown"
        words += ["--track", each]
    return words, note


def _address(db: str) -> tuple[list[str], str]:
    """The option that names the database, and a note when its password had to be left out."""
    address = parse(db)
    if address.path is not None or not address.url.password:
        return ["--db", str(address)], ""
    if os.environ.get("SWEEP_DB") == db:
        return [], "SWEEP_DB holds the database's address, with its password"
    return ["--db", str(address)], "put the database's password in the place of ***: it is not shown"
