"""``sweep export``: from a point on the chart to a file a device can run."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search_space.errors import BadData
from sweep.cli.options import DEFAULT_DB, Db, Json

if TYPE_CHECKING:
    from torch import nn

    from search_space.config import Config

WARN_LOSS = 0.3
"""dB on the images of the check: worth knowing before choosing the file."""


class Format(StrEnum):
    """File formats."""

    ONNX = "onnx"
    TORCHSCRIPT = "torchscript"
    PT2 = "pt2"
    SAFETENSORS = "safetensors"
    GLSL = "glsl"
    GLSL_FRAGMENT = "glsl-fragment"
    NCNN = "ncnn"
    TFLITE = "tflite"


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("export")(export)


def export(
    config_id: Annotated[str, typer.Argument(metavar="ID", help="Such as eSR-TM_s2_K5_C4.")],
    output: Annotated[Format, typer.Option("--format", "-f", help="File format.")] = Format.ONNX,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; default ID with the format's ending.")] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", "-w", help="Weights file; default those of the sweep in --db.")
    ] = None,
    fp16: Annotated[bool, typer.Option("--fp16", help="Compute in half precision.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="8-bit convolutions (ONNX).")] = False,
    data: Annotated[
        str, typer.Option("--data", help="Images for the check: a folder, or embedded-test.")
    ] = "embedded-test",
    force: Annotated[
        bool, typer.Option("--force", help="Write a file that loses more than 0.5 dB all the same.")
    ] = False,
    sweep: Annotated[str | None, typer.Option("--sweep", help="Take the weights of this sweep.")] = None,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Write a trained network as a file, with its id, scale and quality inside, checked against torch.

    Example: sweep export eSR-TM_s2_K5_C4 --format onnx --out model.onnx

    Height and width stay free. Int8 ranges are taken from the embedded training photographs. The quality inside is the
    file's own, measured on the images of the check; a file that loses more than 0.5 dB is not written.
    """
    from rich.console import Console

    from sweep.planning.user_families import stored_config
    from workers.data.datasets import resolve
    from workers.export import FORMATS, write
    from workers.export import export as make
    from workers.export.ncnn_files import WEIGHTS_ENDING

    if fp16 and int8:
        raise BadData("choose one of --fp16 and --int8")
    config = stored_config(config_id, db, sweep)
    module, recipe = trained(config, weights, db, sweep)
    images = resolve(data if "/" in data or data.startswith("embedded-") else f"./{data}")
    made = make(
        config,
        module,
        str(output),
        images,
        precision="fp16" if fp16 else "int8" if int8 else "fp32",
        recipe=recipe,
        calibration=resolve("embedded-train") if int8 else None,
        force=force,
    )
    path = out or Path(config.id + FORMATS[str(output)])
    write(made.data, path)
    if made.weights:
        write(made.weights, path.with_suffix(WEIGHTS_ENDING))
    figures = {
        "file": str(path),
        "config": config.id,
        "format": str(output),
        "precision": made.precision,
        "bytes": len(made.data) + len(made.weights),
        "sha256": made.sha256,
        "images": made.check.images,
        "max_difference": made.check.max_difference,
        "psnr_torch": made.check.psnr_torch,
        "psnr_file": made.check.psnr_file,
        "psnr_change": made.check.psnr_change,
        "ran_by": made.check.ran_by,
    }
    if made.check.psnr_change < -WARN_LOSS:
        Console(stderr=True).print(
            f"warning: {made.precision} loses {-made.check.psnr_change:.2f} dB on {images.name}",
            style="yellow", markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
        return
    Console().print(
        f"{path}: {len(made.data):,} bytes, {made.precision}; against torch on {made.check.images} images of "
        f"{images.name}: largest difference {made.check.max_difference:.2g} of 1, "
        f"PSNR {made.check.psnr_torch:.2f} dB {made.check.psnr_change:+.4f} dB"
        + (f"; run by {made.check.ran_by}" if made.check.ran_by else ""),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def trained(config: Config, weights: Path | None, db: str, sweep: str | None = None) -> tuple[nn.Module, str]:
    """The network with weights of a file, or of the newest finished trial in the store, and the recipe's digest."""
    from workers.training.weights import load

    if weights is not None:
        return load(config, weights), f"file {weights.name}"
    if not list(config.build().parameters()) or config.family == "Bicubic":
        return config.build().eval(), "fixed filters"
    from results_db.store import Store

    with Store.open(db, readonly=True) as store:
        trial = store.done_trial(config.id, store.sweep_id(sweep) if sweep else None)
        artifact = store.artifact(trial) if trial is not None else None
        if trial is None or artifact is None:
            raise BadData(f"{store.url} has no trained weights of {config.id}: train it, or give --weights FILE")
        recipe = next(row.key.recipe for row in store.trials() if row.id == trial)
    return load(config, artifact.data), recipe
