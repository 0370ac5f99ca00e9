"""MLflow: an experiment per sweep, in it a run for the sweep and below that a run per trial."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from sweep.tracking.tracker import Ending, SweepEnd, TrackedSweep, TrackedTrial, Tracker

FOLDER = "mlruns"
"""Where it writes unless told: ``mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db`` shows it. WHERE may also be
the address of a database or a server."""
SWEEP, TRIAL = "edge_sweep.sweep", "edge_sweep.trial"
"""Tags by which runs are found again."""
MOST_METRICS = 1000
"""In one request."""


class MLflow(Tracker):
    """Writes runs through MLflow's client; nothing global is changed."""

    def start(self, sweep: TrackedSweep) -> None:
        """Find or make the experiment and the sweep's own run."""
        address, files = _store(self.where or FOLDER)
        self.client = MlflowClient(address)
        known = self.client.get_experiment_by_name(sweep.name)
        self.experiment = known.experiment_id if known else self.client.create_experiment(sweep.name, files)
        tags = {SWEEP: sweep.name, "git": sweep.git, "database": sweep.database, "space": sweep.space}
        self.parent = self._find(SWEEP, sweep.name) or self._create(sweep.name, tags)
        self.client.update_run(self.parent.info.run_id, status="RUNNING")
        if not self.parent.data.params:
            fields = {name: str(value) for name, value in sweep.recipe.items()}
            self._log(self.parent, {}, {"planned": str(sweep.planned), **fields}, 0)
            self._file(self.parent, "recipe.json", json.dumps(dict(sweep.recipe), indent=1).encode())

    def put(self, trial: TrackedTrial) -> None:
        """Make the trial's run, or add to it what is new."""
        facts = trial.facts
        run = self._find(TRIAL, trial.name)
        new = run is None
        if run is None:
            run = self._create(trial.name, self._tags(trial))
            self._log(run, {}, {name: str(value) for name, value in trial.parameters.items()}, 0)
        told = run.data.metrics
        fresh = {name: value for name, value in trial.metrics.items() if told.get(name) != value}
        self._log(run, fresh, {}, facts.steps or 0)
        if trial.done and (new or run.info.status != "FINISHED"):
            self._curve(run, trial)
            if facts.weights is not None:
                self._file(run, f"{facts.config}.safetensors", facts.weights.data)
        if facts.error and not trial.done:
            self.client.set_tag(run.info.run_id, "error", facts.error)
        ended = int(facts.ended.timestamp() * 1000) if facts.ended else None
        self.client.set_terminated(run.info.run_id, "FINISHED" if trial.done else "FAILED", ended)

    def end(self, end: SweepEnd) -> None:
        """Say how the sweep ended in its own run."""
        numbers = {"done": float(end.done), "failed": float(end.failed), "seconds": end.seconds}
        self._log(self.parent, numbers, {}, 0)
        self.client.set_tag(self.parent.info.run_id, "mlflow.note.content", end.text)
        status = {Ending.DONE: "FINISHED", Ending.STOPPED: "KILLED"}.get(end.ending, "FAILED")
        self.client.set_terminated(self.parent.info.run_id, status)

    def _tags(self, trial: TrackedTrial) -> dict[str, str]:
        facts = trial.facts
        tags = {TRIAL: trial.name, "mlflow.parentRunId": self.parent.info.run_id, "attempts": str(facts.attempts)}
        known = {"node": facts.node, "trained_on": facts.trained_on, "engines": ", ".join(facts.engines)}
        return tags | {name: value for name, value in known.items() if value}

    def _find(self, tag: str, value: str) -> Run | None:
        quoted = value.replace("'", "\\'")
        found = self.client.search_runs([self.experiment], f"tags.`{tag}` = '{quoted}'", max_results=1)
        return found[0] if found else None

    def _create(self, name: str, tags: Mapping[str, str]) -> Run:
        return self.client.create_run(self.experiment, run_name=name, tags=dict(tags))

    def _curve(self, run: Run, trial: TrackedTrial) -> None:
        now = int(time.time() * 1000)
        points = [Metric("training/loss", loss, now, step) for step, loss in trial.facts.curve]
        for first in range(0, len(points), MOST_METRICS):
            self.client.log_batch(run.info.run_id, metrics=points[first : first + MOST_METRICS])

    def _log(self, run: Run, metrics: Mapping[str, float], parameters: Mapping[str, Any], step: int) -> None:
        now = int(time.time() * 1000)
        listed = [Metric(name, value, now, step) for name, value in metrics.items()]
        named = [Param(name, str(value)[:500]) for name, value in parameters.items()]
        tags: list[RunTag] = []
        self.client.log_batch(run.info.run_id, metrics=listed, params=named, tags=tags)

    def _file(self, run: Run, name: str, data: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            self.client.log_artifact(run.info.run_id, str(path))


def _store(where: str) -> tuple[str, str | None]:
    """The addresses of runs and of files. A folder gets a SQLite file: MLflow no longer writes runs as plain files."""
    if "://" in where:
        return where, None
    folder = Path(where).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "files").as_uri()
