"""Trackers by name, as ``--track NAME`` or ``--track NAME=WHERE`` asks for them."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from search_space.errors import MissingExtra, SweepError
from sweep.tracking.tracker import Tracker

GROUP = "edge_sweep.trackers"
"""The entry point group under which other packages register theirs."""
BUILT_IN = {
    "tensorboard": "sweep.tracking.tensorboard:TensorBoard",
    "mlflow": "sweep.tracking.mlflow:MLflow",
    "wandb": "sweep.tracking.wandb:Wandb",
    "webhook": "sweep.tracking.webhook:Webhook",
    "command": "sweep.tracking.command:Command",
}
NEEDS = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
"""The package that an extra of the same name brings."""


def check(asked: str) -> None:
    """Raises SweepError for a name that there is not, and MissingExtra naming the pip command."""
    name, where = split(asked)
    if name in BUILT_IN:
        if name in NEEDS and find_spec(NEEDS[name]) is None:
            raise MissingExtra(f"--track {name} needs {NEEDS[name]}: pip install 'edge-sweep[{name}]'")
        if name == "command" and not where:
            raise SweepError("--track command needs the command: --track command='notify-send \"$SWEEP_TEXT\"'")
    elif name not in _registered():
        known = ", ".join(sorted({*BUILT_IN, *_registered()}))
        raise SweepError(f"there is no tracker {name!r} (there are {known})")


def make(asked: str) -> Tracker:
    """The tracker. Loading it may take seconds, and what a plug-in raises comes through."""
    name, where = split(asked)
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        kind = getattr(import_module(module), attribute)
    else:
        kind = _registered()[name].load()
    tracker: Tracker = kind(where)
    return tracker


def split(asked: str) -> tuple[str, str]:
    """The name and what follows the first ``=``.

    >>> split("mlflow=http://host:5000/?a=b"), split("wandb")
    (('mlflow', 'http://host:5000/?a=b'), ('wandb', ''))
    """
    name, _, where = asked.partition("=")
    return name, where


def _registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
