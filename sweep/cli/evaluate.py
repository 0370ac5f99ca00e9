"""``sweep evaluate``: the quality of any weights file, or of a folder of them, on any images."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_space.errors import BadConfig, BadWeights

if TYPE_CHECKING:
    from results_db.store import Store
    from search_space.facts import Quality
    from workers.data.image_set import Skipped
    from workers.quality.evaluate_files import Key


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    config: Annotated[str | None, typer.Argument(metavar="[ID]", help="The config the weights are of.")] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", "-w", help="One weights file: safetensors or torch.", metavar="FILE")
    ] = None,
    weights_dir: Annotated[
        Path | None, typer.Option("--weights-dir", help="All files in DIR that are named after an id.", metavar="DIR")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", help="Folder of test images (repeatable); default embedded-test.", metavar="DIR"),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="psnr, ssim or lpips (repeatable); default psnr and ssim.")
    ] = None,
    db: Annotated[
        str | None, typer.Option("--db", help="Keep the figures there; what is there already is not done again.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="With --db: the sweep the figures go to.")] = "re-evaluated",
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a folder with an unusable file in it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list on stdout, one object a figure.")] = False,
) -> None:
    """Measure weights: PSNR and SSIM of whole images under one named protocol.

    Example: sweep evaluate eSR-TM_s2_K5_C4 --weights FILE --data Set5 --json

    Example: sweep evaluate --weights-dir models --data Set5 --data Set14 --db sweep.db

    Exit status 1 when some of the weights files could not be used; the others are measured.
    """
    from rich.console import Console

    from search_space import parse_id
    from workers.quality.evaluate_files import WeightsFile, find_weights, read_sets

    stderr = Console(stderr=True)
    if (weights is None) == (weights_dir is None):
        raise BadWeights("give either ID --weights FILE or --weights-dir DIR")
    files: tuple[WeightsFile, ...]
    strangers: tuple[Skipped, ...] = ()
    if weights is not None:
        if config is None:
            raise BadConfig("which config are these weights of? sweep evaluate ID --weights FILE")
        files = (WeightsFile(parse_id(config), weights),)
    else:
        assert weights_dir is not None
        files, strangers = find_weights(weights_dir)
        if config is not None:
            files = tuple(file for file in files if file.config == parse_id(config))
            if not files:
                raise BadWeights(f"{weights_dir} holds no weights of {config}")
    sets, left_out = read_sets(data or ["embedded-test"], strict)
    for skipped in (*strangers, *left_out):
        stderr.print(f"skipped {skipped.name}: {skipped.reason}", style="yellow", markup=False, highlight=False)
    metrics = tuple(dict.fromkeys(metric or ("psnr", "ssim")))
    if db is None:
        figures, errors = _measure(files, sets, metrics, None, stderr)
    else:
        from results_db.store import Store

        with Store.open(db) as store:
            figures, errors = _measure(files, sets, metrics, _Kept(store, name), stderr)
    if errors and weights is not None:
        raise BadWeights(errors[0])
    wanted = {file.config.id: i for i, file in enumerate(files)}
    order = {images.name: i for i, images in enumerate(sets)}
    figures.sort(key=lambda q: (wanted[q.config], order[q.dataset], metrics.index(q.metric)))
    if as_json:
        typer.echo(json.dumps([_row(figure) for figure in figures], indent=1))
    else:
        _table(figures)
    for error in errors:
        stderr.print(f"failed: {error}", style="red", markup=False, highlight=False)
    if errors:
        raise typer.Exit(1)


class _Kept:
    """What the store has of an earlier call, and the way to add to it."""

    def __init__(self, store: Store, name: str) -> None:
        from results_db.records import Source

        self.store, self.name, self.source = store, name, Source.RE_EVALUATED
        self.sweep = store.create_sweep(name, "weights files", "{}", source=self.source)

    def figures(self) -> list[Quality]:
        """All that is stored under the current protocol."""
        from results_db.reading.frames import results
        from search_space.facts import Quality
        from search_space.metrics import METRICS, unit_of
        from workers.quality.protocol import PROTOCOL

        table = results(self.store, sweep=self.name, source=self.source, protocol=PROTOCOL)
        out: dict[Key, Quality] = {}
        for column in (c for c in table.columns if c.split(":")[0] in METRICS and ":" in c):
            metric, dataset = column.split(":", 1)
            for config, value in table[["config", column]].dropna().itertuples(index=False):
                out[config, dataset, metric] = Quality(config, dataset, metric, float(value), unit_of(metric), PROTOCOL)
        return list(out.values())

    def add(self, figures: Iterable[Quality]) -> None:
        """Write at once, so that a killed run loses one file's work."""
        self.store.add_qualities(self.sweep, figures, self.source, label=self.name)


def _measure(
    files: Any, sets: Any, metrics: tuple[str, ...], kept: _Kept | None, stderr: Any
) -> tuple[list[Quality], list[str]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from workers.quality.evaluate_files import evaluate_files

    here, ids = {images.name for images in sets}, {file.config.id for file in files}
    figures = [
        q
        for q in (kept.figures() if kept else [])
        if q.config in ids and q.dataset in here and q.metric in metrics and math.isfinite(q.value)
    ]
    done = {(q.config, q.dataset, q.metric) for q in figures}
    errors: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task("evaluating", total=len(files) * len(sets))
        for result in evaluate_files(files, sets, metrics, done, lambda: bar.advance(task)):
            figures += result.qualities
            if kept is not None and result.qualities:
                kept.add(result.qualities)
            if result.error is not None:
                errors.append(result.error)
    return figures, errors


def _row(figure: Quality) -> dict[str, Any]:
    value = figure.value if math.isfinite(figure.value) else None
    return {
        "config": figure.config,
        "dataset": figure.dataset,
        "metric": figure.metric,
        "value": value,
        "unit": figure.unit,
        "protocol": figure.protocol,
    }


def _table(figures: list[Quality]) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = list(dict.fromkeys((q.dataset, q.metric, q.unit) for q in figures))
    table = Table(title=figures[0].protocol if figures else None)
    table.add_column("config")
    for dataset, metric, unit in columns:
        table.add_column(f"{dataset}\n{metric}{f' ({unit})' if unit else ''}", justify="right")
    values = {(q.config, q.dataset, q.metric): q.value for q in figures}
    for config in dict.fromkeys(q.config for q in figures):
        cells = [values.get((config, dataset, metric)) for dataset, metric, _ in columns]
        texts = [
            "" if v is None else f"{v:.{2 if c[1] == 'psnr' else 4}f}" for v, c in zip(cells, columns, strict=True)
        ]
        table.add_row(config, *texts)
    Console().print(table)
