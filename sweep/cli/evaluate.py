"""``sweep evaluate``: the quality of any weights file, or of a folder of them, on any images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import completion, output
from sweep.cli.options import DataRoot, Json

if TYPE_CHECKING:
    from search_space.facts import Quality

FIELDS = ("config", "dataset", "metric", "value", "unit", "protocol")
"""What ``--json`` says of each result; ``exact`` too, where images came back exactly."""


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    config: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The config the weights are of.", autocompletion=completion.ids)
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", "-w", help="One weights file: safetensors or torch.", metavar="FILE")
    ] = None,
    weights_dir: Annotated[
        Path | None, typer.Option("--weights-dir", help="All files in DIR that are named after an id.", metavar="DIR")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            "-d",
            help="Folder of test images, or a set under --data-root (repeatable); default that root's test sets, "
            "without one embedded-test.",
            metavar="DIR",
            autocompletion=completion.image_sets,
        ),
    ] = None,
    data_root: DataRoot = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help="psnr, ssim or lpips (repeatable); default psnr and ssim.",
            autocompletion=completion.metric_names,
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            "--quality-protocol",
            "--protocol",
            help="Of quality: aa (ours), or matlab: small images as MATLAB and BasicSR make them.",
            autocompletion=completion.quality_protocols,
        ),
    ] = "aa",
    db: Annotated[
        str | None, typer.Option("--db", help="Store the results there; what is stored already is not measured again.")
    ] = None,
    name: Annotated[
        str,
        typer.Option(
            "--sweep", "--name", help="With --db: the sweep the results go to.", autocompletion=completion.sweeps
        ),
    ] = "re-evaluated",
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a folder with an unusable file in it.")] = False,
    as_json: Json = False,
) -> None:
    """Measure weights: PSNR and SSIM of whole images under one named protocol.

    Example: sweep evaluate eSR-TM_s2_K5_C4 --weights FILE --data Set5 --json

    Example: sweep evaluate --weights-dir models --data Set5 --data Set14 --db sweep.db

    Exit status 1 when some of the weights files could not be used; the others are measured.
    """
    from sweep.api.measuring import evaluate as measure

    with output.progress_bar("evaluating") as advance:
        evaluation = measure(
            config,
            weights,
            weights_dir=weights_dir,
            data=data or (),
            data_root=data_root,
            metric=metric or (),
            protocol=protocol,
            db=db,
            name=name,
            strict=strict,
            progress=advance,
            notice=output.warn,
        )
    qualities, errors = evaluation.qualities, evaluation.failed
    if as_json:
        output.print_json([_row(quality) for quality in qualities])
    else:
        _table(qualities)
    for error in errors:
        output.error(f"failed: {error}")
    if errors:
        raise typer.Exit(1)


def _row(quality: Quality) -> dict[str, object]:
    row = {name: getattr(quality, name) for name in FIELDS}
    return row | {"exact": quality.exact} if quality.exact else row


def _table(qualities: Sequence[Quality]) -> None:
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
