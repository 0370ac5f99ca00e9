"""``sweep evaluate``: the quality of any weights file, or of a folder of them, on any images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search_space.errors import BadConfig, BadWeights
from sweep.cli import output
from sweep.cli.options import Json

if TYPE_CHECKING:
    from results_db.store import Store
    from search_space.facts import Quality
    from workers.data.image_set import ImageSet, Skipped
    from workers.quality.evaluate_files import Key, WeightsFile


FIELDS = ("config", "dataset", "metric", "value", "unit", "protocol")
"""What ``--json`` says of each result."""


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
        str | None, typer.Option("--db", help="Store the results there; what is stored already is not measured again.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="With --db: the sweep the results go to.")] = "re-evaluated",
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a folder with an unusable file in it.")] = False,
    as_json: Json = False,
) -> None:
    """Measure weights: PSNR and SSIM of whole images under one named protocol.

    Example: sweep evaluate eSR-TM_s2_K5_C4 --weights FILE --data Set5 --json

    Example: sweep evaluate --weights-dir models --data Set5 --data Set14 --db sweep.db

    Exit status 1 when some of the weights files could not be used; the others are measured.
    """
    from search_space import parse_id
    from workers.quality.evaluate_files import WeightsFile, find_weights, read_sets

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
        output.warn(f"skipped {skipped.name}: {skipped.reason}")
    metrics = tuple(dict.fromkeys(metric or ("psnr", "ssim")))
    if db is None:
        qualities, errors = _measure(files, sets, metrics, None)
    else:
        from results_db.store import Store

        with Store.open(db) as store:
            qualities, errors = _measure(files, sets, metrics, _Stored(store, name))
    if errors and weights is not None:
        raise BadWeights(errors[0])
    place = {file.config.id: i for i, file in enumerate(files)}
    order = {images.name: i for i, images in enumerate(sets)}
    qualities.sort(key=lambda q: (place[q.config], order[q.dataset], metrics.index(q.metric)))
    if as_json:
        output.print_json([{name: getattr(quality, name) for name in FIELDS} for quality in qualities])
    else:
        _table(qualities)
    for error in errors:
        output.error(f"failed: {error}")
    if errors:
        raise typer.Exit(1)


class _Stored:
    """The results that the store has from earlier calls, and the way to add to them."""

    def __init__(self, store: Store, name: str) -> None:
        from results_db.records import Source

        self.store, self.name, self.source = store, name, Source.RE_EVALUATED
        self.sweep = store.create_sweep(name, "weights files", "{}", source=self.source)

    def qualities(self) -> list[Quality]:
        """All results stored under the current protocol."""
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

    def add(self, qualities: Iterable[Quality]) -> None:
        """Write at once, so that a killed run loses the results of one file."""
        self.store.add_qualities(self.sweep, qualities, self.source, label=self.name)


def _measure(
    files: Sequence[WeightsFile], sets: Sequence[ImageSet], metrics: tuple[str, ...], stored: _Stored | None
) -> tuple[list[Quality], list[str]]:
    from workers.quality.evaluate_files import evaluate_files

    here, ids = {images.name for images in sets}, {file.config.id for file in files}
    qualities = [
        q
        for q in (stored.qualities() if stored else [])
        if q.config in ids and q.dataset in here and q.metric in metrics and math.isfinite(q.value)
    ]
    done = {(q.config, q.dataset, q.metric) for q in qualities}
    errors: list[str] = []
    total, measured = len(files) * len(sets), 0
    with output.progress_bar("evaluating", total) as advance:

        def one_more() -> None:
            nonlocal measured
            measured += 1
            advance(measured)

        for result in evaluate_files(files, sets, metrics, done, one_more):
            qualities += result.qualities
            if stored is not None and result.qualities:
                stored.add(result.qualities)
            if result.error is not None:
                errors.append(result.error)
    return qualities, errors


def _table(qualities: list[Quality]) -> None:
    columns = list(dict.fromkeys((q.dataset, q.metric, q.unit) for q in qualities))
    values = {(q.config, q.dataset, q.metric): q.value for q in qualities}
    rows = []
    for config in dict.fromkeys(q.config for q in qualities):
        cells = [values.get((config, dataset, metric)) for dataset, metric, _ in columns]
        texts = [
            "" if value is None else f"{value:.{2 if metric == 'psnr' else 4}f}"
            for value, (_, metric, _) in zip(cells, columns, strict=True)
        ]
        rows.append([config, *texts])
    headings = [f"{dataset}\n{metric}{f' ({unit})' if unit else ''}" for dataset, metric, unit in columns]
    output.print_table(["config", *headings], rows, title=qualities[0].protocol if qualities else None)
