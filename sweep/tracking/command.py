"""A command of the user's own when a sweep ends."""

from __future__ import annotations

import json
import os
import subprocess

from search_space.errors import SweepError
from sweep.tracking.tracker import SweepEnd, Tracker

STDERR = 2
"""Descriptor of the standard error: standard output belongs to ``--json``."""


class Command(Tracker):
    """Runs a shell command: ``SweepEnd.document`` is its standard input, and ``SWEEP_NAME``, ``SWEEP_ENDING``,
    ``SWEEP_PLANNED``, ``SWEEP_DONE``, ``SWEEP_FAILED``, ``SWEEP_TEXT`` and ``SWEEP_RESUME`` are in its environment."""

    def end(self, end: SweepEnd) -> None:
        """Raises SweepError when it fails; what it prints goes to stderr."""
        values = {
            "SWEEP_NAME": end.sweep,
            "SWEEP_ENDING": str(end.ending),
            "SWEEP_PLANNED": str(end.planned),
            "SWEEP_DONE": str(end.done),
            "SWEEP_FAILED": str(end.failed),
            "SWEEP_TEXT": end.text,
            "SWEEP_RESUME": end.resume,
        }
        ended = subprocess.run(
            self.where,
            shell=True,
            input=json.dumps(end.document),
            text=True,
            stdout=STDERR,
            env={**os.environ, **values},
            check=False,
        )
        if ended.returncode:
            raise SweepError(f"the command ended with status {ended.returncode}")
