"""From a trained config to a file that a device can run: the function behind ``sweep export``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from results_db.store import opened
from search_space.config import Config
from search_space.errors import BadData
from sweep.api.arguments import DEFAULT_DB
from sweep.planning.user_families import stored_config
from workers.data.datasets import resolve
from workers.export import FORMATS, Exported, write
from workers.export import export as make
from workers.export.ncnn_files import WEIGHTS_ENDING
from workers.training.weights import load

if TYPE_CHECKING:
    from torch import nn

    from results_db.store import Store


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written, and how its output compares with torch's."""

    path: Path
    config: str
    made: Exported
    """Its bytes (``data``, ``sha256``) and its check: ``check.psnr_file`` and ``check.psnr_change`` in dB."""
    images: str
    """Name of the image set of the check."""


def export(
    config: str | Config,
    out: str | Path | None = None,
    *,
    format: str = "onnx",  # noqa: A002 (as the command spells it)
    precision: str = "fp32",
    weights: str | Path | None = None,
    data: str | Path = "embedded-test",
    force: bool = False,
    size: tuple[int, int] | None = None,
    sweep: int | str | None = None,
    db: str | Path | Store = DEFAULT_DB,
) -> ExportedFile:
    """Write a trained network as a file, with its id, scale and quality inside, checked against torch.

    Height and width stay free, but in tflite files. Int8 ranges are taken from the embedded training photographs.

    Args:
        config: An id or a config.
        out: The file; default the id with the format's ending, in the current folder.
        format: ``onnx``, ``torchscript``, ``pt2``, ``safetensors`` (the weights as trained), ``glsl`` or
            ``glsl-fragment`` (a user shader for mpv and libplacebo), ``ncnn`` (two files, .param and .bin), or
            ``tflite`` (LiteRT).
        precision: ``fp32``, ``fp16``, or ``int8`` (ONNX only).
        weights: A weights file; default those of the newest finished trial in ``db``.
        data: Images for the check: a folder, or ``embedded-test``.
        force: Write a file that loses more than 0.5 dB all the same.
        size: Width and height of a tflite file's input, which takes no other; default 128 x 128.
        sweep: Take the weights of this sweep (name or number).
        db: Address or path of the results database, or an open ``Store``.

    Returns:
        An ``ExportedFile``.

    Raises:
        BadConfig: ``config`` names no architecture.
        BadData: There are no trained weights, or the format, precision or images cannot be had.
        BadWeights: The weights are of another config, or the file's output is too far from torch's.
        StoreError: The database cannot be read.
        MissingExtra: The format needs a package that is not installed; the message names the pip command.

    Example:
        >>> import sweep
        >>> file = sweep.export("eSR-MAX_s2_K3_C1", "model.onnx", db="sweep.db")
        >>> file.path.name, file.made.precision, abs(file.made.check.psnr_change) < 0.01
        ('model.onnx', 'fp32', True)
    """
    chosen = config if isinstance(config, Config) else stored_config(config, db, sweep)
    module, recipe = trained(chosen, None if weights is None else Path(weights), db, sweep)
    folder = str(data)
    images = resolve(folder if "/" in folder or folder.startswith("embedded-") else f"./{folder}")
    made = make(
        chosen,
        module,
        format,
        images,
        precision=precision,
        recipe=recipe,
        calibration=resolve("embedded-train") if precision == "int8" else None,
        force=force,
        size=None if size is None else (size[1], size[0]),
    )
    path = Path(out) if out is not None else Path(chosen.id + FORMATS[format])
    write(made.data, path)
    if made.weights:
        write(made.weights, path.with_suffix(WEIGHTS_ENDING))
    return ExportedFile(path, chosen.id, made, images.name)


def trained(
    config: Config, weights: Path | None, db: str | Path | Store, sweep: int | str | None = None
) -> tuple[nn.Module, str]:
    """The network with weights of a file, or of the newest finished trial in the store, and the recipe's digest."""
    if weights is not None:
        return load(config, weights), f"file {weights.name}"
    if not list(config.build().parameters()) or config.family == "Bicubic":
        return config.build().eval(), "fixed filters"
    with opened(db, readonly=True) as store:
        trial = store.done_trial(config.id, store.sweep_id(sweep) if sweep else None)
        artifact = store.artifact(trial) if trial is not None else None
        if trial is None or artifact is None:
            raise BadData(f"{store.url} has no trained weights of {config.id}: train it, or give --weights FILE")
        recipe = next(row.key.recipe for row in store.trials() if row.id == trial)
    return load(config, artifact.data), recipe
