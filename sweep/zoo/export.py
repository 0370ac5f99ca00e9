"""A sweep of a store, written as a folder that others can read, use and take back into a store."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.reading.results import gather_means, with_costs
from analysis.reading.selection import Selection
from results_db.reading import export as tables
from results_db.reading import frames
from results_db.reading.finished import finished
from search_space import atomic, parse_id
from search_space.errors import SweepError
from sweep.api.reading import plot
from sweep.planning.settings import SweepSettings
from sweep.planning.user_families import recall
from sweep.zoo import card, document, weights
from sweep.zoo.document import FACTS, MANIFEST, WEIGHTS, SweepFacts, Zoo

if TYPE_CHECKING:
    import pandas as pd

    from results_db.store import Store

CARD, CHART, NOTES = "README.md", "pareto.png", "notes.md"
TABLES = ("results.csv", "results.parquet")


def export(store: Store, sweep: int | str, folder: Path, *, force: bool = False) -> Zoo:
    """Write the finished trials of ``sweep`` into ``folder``, which is made; the manifest comes last.

    ``force`` allows a folder that has files already. Those of an earlier zoo are replaced, but files of weights that
    hold the same stay as they are, byte for byte; the text of ``notes.md`` becomes part of the card. Raises SweepError
    when the sweep has no finished trial or the folder cannot be used, StoreError when there is no such sweep.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not force:
        raise SweepError(f"{folder} is there already and not empty: choose another, or --force")
    zoo = gather(store, sweep)
    try:
        (folder / WEIGHTS).mkdir(parents=True, exist_ok=True)
        written = _write(store, zoo, folder)
        listed = {name: _described(folder / name) for name in written}
        manifest = {"format": document.FORMAT, "sweep": zoo.sweep.name, "networks": len(zoo.trials), "files": listed}
        atomic.write(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    except OSError as error:
        raise SweepError(f"{folder} cannot be written: {error.strerror or error}") from None
    return zoo


def gather(store: Store, sweep: int | str) -> Zoo:
    """The facts of a sweep's finished trials and the speeds of their configs."""
    row = store.sweep(sweep)
    settings = SweepSettings.from_dict(row.settings)
    recall(settings)
    trials = finished(store, row.id)
    if not trials:
        raise SweepError(f"sweep {row.name!r} has no finished trial of ours yet")
    configs = {key.config for key, _ in trials}
    settings = replace(settings, data=replace(settings.data, root=None))  # a folder of the machine it was trained on
    facts = SweepFacts(row.name, row.space, row.recipe_json, row.git, settings.to_dict())
    speeds = [speed for speed in store.speeds() if speed.config in configs]
    return Zoo(facts, trials, speeds, store.counts(row.id).planned)


def _write(store: Store, zoo: Zoo, folder: Path) -> list[str]:
    """The names of the files that were written."""
    table = _table(store, zoo.sweep.name)
    for name in TABLES:
        tables.write(table, folder / name, name.rpartition(".")[2])
    networks: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
    described = {}
    for key, done in zoo.trials:
        for artifact in done.artifacts:
            if artifact.kind == "weights":
                networks[document.weights_file(key.config)][document.label(key)] = artifact.data
        quality = {f"{one.metric}:{one.dataset}": one.value for one in done.quality}
        described[document.label(key)] = {"id": key.config, "scale": parse_id(key.config).scale, **quality}
    for name, of_file in networks.items():
        packed = weights.pack(of_file, {label: described[label] for label in of_file})
        if not ((folder / name).is_file() and weights.same((folder / name).read_bytes(), packed)):
            atomic.write(folder / name, packed)
    atomic.write(folder / FACTS, document.to_bytes(zoo))
    gathered = gather_means(store, Selection(sweep=zoo.sweep.name))
    plot("pareto", store, out=folder / CHART, sweep=zoo.sweep.name, x="fps" if gathered.devices else "parameters")
    has_notes = (folder / NOTES).is_file()
    notes = (folder / NOTES).read_text(encoding="utf-8", errors="replace") if has_notes else ""
    atomic.write(folder / CARD, card.text(zoo, gathered, CHART, notes))
    return [*networks, FACTS, *TABLES, CHART, *([NOTES] if has_notes else []), CARD]


def _table(store: Store, sweep: str) -> pd.DataFrame:
    table = with_costs(frames.results(store, sweep=sweep))
    return table.drop(columns=["trial", "node"]).astype({"parameters": "int64", "macs_full_hd": "int64"})


def _described(path: Path) -> dict[str, object]:
    data = path.read_bytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
