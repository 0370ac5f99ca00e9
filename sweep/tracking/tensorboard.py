"""TensorBoard: a folder per trial under the sweep's folder, with its loss curve, its numbers and its fields."""

from __future__ import annotations

import json
from pathlib import Path

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

from sweep.tracking.tracker import SweepEnd, TrackedSweep, TrackedTrial, Tracker

FOLDER = "runs"
"""Where it writes unless told; ``tensorboard --logdir runs`` shows it."""


class TensorBoard(Tracker):
    """Writes event files; the HPARAMS page compares trials by their fields."""

    def start(self, sweep: TrackedSweep) -> None:
        """Write the recipe as the sweep's text."""
        self.folder = Path(self.where or FOLDER) / safe(sweep.name)
        _fresh(self.folder)
        with SummaryWriter(str(self.folder)) as writer:
            recipe = json.dumps(dict(sweep.recipe), indent=1)
            writer.add_text("sweep", f"{sweep.planned} trials of {sweep.space}, code {sweep.git}\n\n```\n{recipe}\n```")

    def put(self, trial: TrackedTrial) -> None:
        """Write all of the trial, in the place of what was there."""
        folder = self.folder / safe(trial.name)
        _fresh(folder)
        metrics = trial.metrics
        with SummaryWriter(str(folder)) as writer:
            for step, loss in trial.facts.curve:
                writer.add_scalar("training/loss", loss, step)
            for name, value in metrics.items():
                writer.add_scalar(name, value, trial.facts.steps or 0)
            if trial.facts.error and not trial.done:
                writer.add_text("error", trial.facts.error)
            for part in hparams(trial.parameters, metrics):
                writer.file_writer.add_summary(part)

    def end(self, end: SweepEnd) -> None:
        """Write how it ended."""
        with SummaryWriter(str(self.folder)) as writer:
            writer.add_text("end", end.text)


def safe(name: str) -> str:
    """A name as one part of a path.

    >>> safe("a/b c"), safe("..")
    ('a_b c', '__')
    """
    kept = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in name)
    return kept if kept.strip(". ") else "_" * max(1, len(kept))


def _fresh(folder: Path) -> None:
    """An event file is only ever added to: what is told again starts a new one."""
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
