"""From a config and its weights to a checked file."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from search_space import atomic
from search_space.config import Config
from search_space.errors import BadData, BadWeights
from workers.data.image_set import ImageSet
from workers.export.check import MAX_LOSS, SHADERS, Check, check, limit
from workers.export.deployed_form import deployed
from workers.export.graphs import FORMATS, Half, to_format, to_onnx, with_metadata
from workers.export.metadata import Metadata
from workers.export.ncnn_files import to_ncnn
from workers.export.quantise import Luma, to_int8
from workers.export.tflite import SIZE, pieces, to_tflite
from workers.quality.protocol import PROTOCOL, evaluate, prepare

PRECISIONS = ("fp32", "fp16", "int8")
WITHOUT_METADATA = ("ncnn", "tflite")
"""Formats whose files have no place for it."""


@dataclass(frozen=True)
class Exported:
    """A file's bytes, and how they compare with the network."""

    data: bytes
    form: str
    precision: str
    check: Check
    weights: bytes = b""
    """The second file of a format that has two (ncnn: ``.bin``)."""

    @property
    def sha256(self) -> str:
        """Of the bytes, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def export(
    config: Config,
    module: nn.Module,
    form: str,
    images: ImageSet,
    *,
    precision: str = "fp32",
    recipe: str = "",
    calibration: ImageSet | None = None,
    force: bool = False,
    size: tuple[int, int] | None = None,
) -> Exported:
    """``module`` (as trained) as a file of ``form``, checked on ``images`` against torch.

    Safetensors holds the weights as trained, in float32 or half; the other formats hold the deployed form.
    Int8 is for ONNX, with ranges from ``calibration`` (default: the images). The PSNR inside is the file's own.
    ``size`` (height, width) is that of a tflite file's input, which takes no other and is checked on pieces so large.
    Raises BadData for a combination that does not exist, and BadWeights when the file's output differs by more
    than rounding or, unless ``force``, loses more than ``MAX_LOSS`` dB.
    """
    _require(form, precision)
    if size is not None and form != "tflite":
        raise BadData(f"a size is for tflite files: {form} files take any")
    metadata = Metadata.of(config, precision, recipe)
    trained = copy.deepcopy(module).cpu().float().eval()
    if form == "safetensors":
        kept = copy.deepcopy(trained).half() if precision == "fp16" else trained
    else:
        kept = deployed(trained)
        kept = Half(kept) if precision == "fp16" else kept
    weights = b""
    if form == "ncnn":
        data, weights = to_ncnn(kept)
    elif form == "tflite":
        size = size or SIZE
        images = pieces(images, config.scale, size)
        data = to_tflite(kept, size)
    else:
        data = to_format(kept, form, metadata)
    if precision == "int8":
        (as_it_is,) = evaluate(config, trained, images, ("psnr",))
        data = to_int8(data, calibration_inputs(config, calibration or images), as_it_is.value)
    result = check(data, form, config, trained, images, weights)
    most = limit(form, precision)
    if most is not None and not result.max_difference <= most:
        raise BadWeights(f"the exported {form} differs from torch by {result.max_difference:.2g} (limit {most:g})")
    if not force and not result.psnr_change >= -MAX_LOSS:
        raise BadWeights(
            f"{precision} changes PSNR on {images.name} by {result.psnr_change:+.2f} dB, "
            f"from {result.psnr_torch:.2f} dB (limit -{MAX_LOSS:g}): use a wider precision, or force it"
        )
    described = replace(metadata, psnr=f"{images.name} {result.psnr_file:.2f} dB ({PROTOCOL})")
    # What was checked is kept; only what it says about itself is written anew.
    if form == "onnx":
        data = with_metadata(data, described.items())
    elif form not in WITHOUT_METADATA:
        data = to_format(kept, form, described)
    return Exported(data, form, precision, result, weights)


def onnx_for(config: Config, graph: nn.Module, precision: str, calibration: Sequence[Luma]) -> bytes:
    """An already deployed network as unchecked ONNX: what the benchmark's backends run."""
    metadata = Metadata.of(config, precision).items()
    if precision == "fp16":
        return to_onnx(Half(copy.deepcopy(graph)), metadata)
    data = to_onnx(graph, metadata)
    return to_int8(data, calibration) if precision == "int8" else data


def calibration_inputs(config: Config, images: ImageSet) -> list[Luma]:
    """Low-resolution inputs of a set, as the network sees them."""
    return [pair.lr.numpy() for pair in prepare(images, config.scale)]


def write(data: bytes, path: Path) -> None:
    """All of the file or none of it; its folder is made. Raises BadData when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, data)
    except OSError as error:
        raise BadData(f"cannot write {path}: {error.strerror}") from None


def _require(form: str, precision: str) -> None:
    if form not in FORMATS:
        raise BadData(f"there is no export format {form!r} (choose from {', '.join(FORMATS)})")
    if precision not in PRECISIONS:
        raise BadData(f"there is no precision {precision!r} (choose from {', '.join(PRECISIONS)})")
    if precision == "int8" and form != "onnx":
        raise BadData("int8 is exported as onnx only")
    if precision != "fp32" and form in WITHOUT_METADATA:
        raise BadData(f"{form} files are exported as fp32 only: the runtime chooses half precision when it runs")
    if precision != "fp32" and form in SHADERS:
        raise BadData("a shader has no precision of its own: the player chooses that of its textures")
