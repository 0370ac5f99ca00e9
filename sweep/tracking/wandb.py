"""Weights & Biases: a run per trial in the sweep's group, offline unless ``WANDB_MODE`` says otherwise."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import wandb

from sweep.tracking.tracker import SweepEnd, TrackedSweep, TrackedTrial, Tracker

PROJECT = "edge-sweep"


class Wandb(Tracker):
    """Writes runs below ``WHERE/wandb`` (default the current folder); ``wandb sync`` sends offline ones later."""

    def start(self, sweep: TrackedSweep) -> None:
        """Keep what the runs have in common; the sweep's own run is written at its end."""
        self.sweep = sweep
        Path(self.where or ".").mkdir(parents=True, exist_ok=True)

    def put(self, trial: TrackedTrial) -> None:
        """Write the trial's run."""
        run = self._run(trial.name, "trial", {**trial.parameters, "recipe": dict(self.sweep.recipe)})
        # Else W&B counts rows, not training steps.
        run.define_metric("training/loss", step_metric="training/step")
        for step, loss in trial.facts.curve:
            run.log({"training/step": step, "training/loss": loss})
        run.summary.update({**trial.metrics, "error": "" if trial.done else trial.facts.error or ""})
        if trial.done and trial.facts.weights is not None:
            self._save(run, f"{trial.facts.config}.safetensors", trial.facts.weights.data)
        run.finish(0 if trial.done else 1)

    def end(self, end: SweepEnd) -> None:
        """Write the sweep's own run."""
        run = self._run(self.sweep.name, "sweep", {"recipe": dict(self.sweep.recipe), "space": self.sweep.space})
        run.summary.update(end.document)
        run.finish(0)

    def _run(self, name: str, kind: str, config: dict[str, Any]) -> Any:
        # The same trial is the same run, however often it is told.
        identity = hashlib.sha256(f"{self.sweep.database}\n{self.sweep.name}\n{name}".encode()).hexdigest()[:16]
        return wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            group=self.sweep.name,
            name=name,
            id=identity,
            job_type=kind,
            config=config,
            dir=self.where or ".",
            mode=os.environ.get("WANDB_MODE", "offline"),
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off", disable_git=True, x_disable_stats=True),
        )

    def _save(self, run: Any, name: str, data: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            model = wandb.Artifact(name.removesuffix(".safetensors"), type="model")
            model.add_file(str(path))
            run.log_artifact(model)
