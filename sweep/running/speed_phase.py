"""The benchmark phase: after training, this machine measures every config of the sweep with the device to itself."""

from __future__ import annotations

import json
import platform
import socket

from rich.console import Console
from rich.progress import Progress

from results_db.store import Store
from search_space import parse_id
from search_space.facts import Speed
from sweep.speed.ties import retie
from workers.benchmark import FULLHD14, QHD5, benchmark

QUICK = ("smoke", "demo")
"""Recipes that are about looking around: their speed phase uses the small protocol, under its own name."""


def measure_speed(store: Store, sweep_id: int, device: str | None = None, *, quiet: bool = False) -> int:
    """Measure the sweep's finished configs that have no figure on ``device`` yet; returns how many were measured.

    Those that could not be are said on stderr, as is waiting for another benchmark.
    """
    from results_db.reading import frames

    device = device or device_name()
    row = store.sweep(sweep_id)
    recipe = str(json.loads(row.recipe_json).get("name", ""))
    protocol = QHD5 if recipe.split("-")[0] in QUICK else FULLHD14
    done = sorted({trial.key.config for trial in store.trials(sweep_id) if trial.state == "done"})
    frame = frames.results(store, sweep=sweep_id, device=device)
    known = set(frame.loc[(frame["speed_protocol"] == protocol.name) & frame["fps"].notna(), "config"])
    missing = [parse_id(config) for config in done if config not in known]
    if not missing:
        return 0
    with Progress(console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task(f"measuring speed on {device} ({protocol.name})", total=len(missing))

        seen: set[str] = set()

        def step(speed: Speed) -> None:
            store.add_speeds([speed])
            seen.add(speed.config)
            bar.update(task, completed=len(seen))

        def notice(text: str) -> None:
            bar.console.print(text, style="yellow", markup=False, highlight=False)

        measured = benchmark(missing, device_name=device, protocol=protocol, progress=step, notice=notice)
    retie(store, measured)
    return len(measured)


def device_name() -> str:
    """The name this machine's figures are kept under unless the user gives one."""
    return f"{socket.gethostname()}-{platform.machine()}"
