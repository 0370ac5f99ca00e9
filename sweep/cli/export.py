"""``sweep export``: from a point on the chart to a file a device can run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from search_space.errors import BadData
from sweep.cli import completion, output
from sweep.cli.options import DEFAULT_DB, ConfigId, Db, Json, sides

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
    config_id: ConfigId,
    form: Annotated[Format, typer.Option("--format", "-f", help="File format.")] = Format.ONNX,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Default ID with the format's ending.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", "-w", metavar="FILE", help="Weights file; default those of the sweep in --db."),
    ] = None,
    fp16: Annotated[bool, typer.Option("--fp16", help="Compute in half precision.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="8-bit convolutions (ONNX).")] = False,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            "-d",
            metavar="DIR",
            help="Images for the check: a folder, or embedded-test.",
            autocompletion=completion.image_folders,
        ),
    ] = "embedded-test",
    force: Annotated[
        bool, typer.Option("--force", help="Write a file that loses more than 0.5 dB all the same.")
    ] = False,
    size: Annotated[
        str | None,
        typer.Option("--size", help="Of a tflite file's input, which is fixed.", metavar="WIDTHxHEIGHT"),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option("--sweep", "--name", help="Take the weights of this sweep.", autocompletion=completion.sweeps),
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Write a trained network as a file, with its id, scale and quality inside, checked against torch.

    Example: sweep export eSR-TM_s2_K5_C4 --format onnx --out model.onnx

    Height and width stay free, but in tflite files (--size, default 128x128). Int8 ranges are taken from the embedded
    training photographs. The quality inside is the file's own, measured on the images of the check; a file that loses
    more than 0.5 dB is not written.
    """
    from sweep.api.shipping import export as write_file

    if fp16 and int8:
        raise BadData("choose one of --fp16 and --int8")
    file = write_file(
        config_id,
        out,
        format=str(form),
        precision="fp16" if fp16 else "int8" if int8 else "fp32",
        weights=weights,
        data=data,
        force=force,
        size=sides(size),
        sweep=sweep,
        db=db,
    )
    path, made = file.path, file.made
    facts = {
        "file": str(path),
        "config": file.config,
        "format": str(form),
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
        output.warn(f"warning: {made.precision} loses {-made.check.psnr_change:.2f} dB on {file.images}")
    if as_json:
        output.print_json(facts)
        return
    output.print_text(
        f"{path}: {len(made.data):,} bytes, {made.precision}; against torch on {made.check.images} images of "
        f"{file.images}: largest difference {made.check.max_difference:.2g} of 1, "
        f"PSNR {made.check.psnr_torch:.2f} dB {made.check.psnr_change:+.4f} dB"
        + (f"; run by {made.check.ran_by}" if made.check.ran_by else "")
    )
