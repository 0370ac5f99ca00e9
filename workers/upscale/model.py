"""A network ready to enlarge images, whatever file it came in."""

from __future__ import annotations

import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from search_space import parse_id
from search_space.config import Config
from search_space.costs.describe import describe
from search_space.errors import BadConfig, BadWeights, first_line
from workers.data.luma import luma
from workers.export import Metadata, onnx_runner
from workers.export.deployed_form import deployed
from workers.training.weights import MAX_BYTES, load
from workers.upscale.colour import bicubic_rows, colour, join, to_uint8
from workers.upscale.tiles import TILE, Network, run_tiled, strips


@dataclass(frozen=True)
class Upscaler:
    """Enlarges by ``scale``."""

    name: str
    scale: int
    receptive_field: int
    network: Network
    tile: int = TILE

    def luma(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """(H, W) in 0..255 to (sH, sW) in 0..255."""
        out = run_tiled(self.network, y / np.float32(255), self.scale, self.receptive_field, self.tile)
        bright: NDArray[np.float32] = np.clip(out, 0, 1) * np.float32(255)
        return bright

    def image(self, pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """(H, W, 3) RGB or (H, W) grey, uint8, to the same kind ``scale`` times as large.

        With ``alpha`` (H, W) the result has one more channel, enlarged by bicubic. What lies between
        the two images is held a strip of tiles at a time, so memory hardly grows with the image.
        """
        height, width = pixels.shape[:2]
        grey = pixels.ndim == 2
        colours, channels = 1 if grey else 3, (1 if grey else 3) + (alpha is not None)
        out = np.empty((height * self.scale, width * self.scale, channels), dtype=np.uint8)

        def bright(first: int, last: int) -> NDArray[np.float32]:
            return luma(pixels[first:last]) / np.float32(255)

        for row, strip in strips(self.network, bright, (height, width), self.scale, self.receptive_field, self.tile):
            place = slice(row.start * self.scale, row.stop * self.scale)
            y = np.clip(strip, 0, 1, out=strip)
            y *= np.float32(255)
            chroma = None
            if not grey:
                chroma = bicubic_rows(lambda a, b: colour(pixels[a:b]), row, height, self.scale)
            out[place, :, :colours] = join(y, chroma).reshape(len(y), -1, colours)
            if alpha is not None:
                solid = bicubic_rows(lambda a, b: alpha[None, a:b].astype(np.float32), row, height, self.scale)
                out[place, :, colours] = to_uint8(solid[0])
        return out[..., 0] if channels == 1 else out


def from_module(config: Config, module: nn.Module, tile: int = TILE) -> Upscaler:
    """An upscaler of a network as trained; its deployed form runs."""
    fast = deployed(module)

    def network(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            out: NDArray[np.float32] = fast(torch.from_numpy(np.ascontiguousarray(x))).float().numpy()
            return out

    return Upscaler(config.id, config.scale, describe(config).receptive_field, network, tile)


def from_file(path: Path, tile: int = TILE) -> Upscaler:
    """An upscaler of a file: ONNX made by ``sweep export``, or weights that say (or are named after) their config.

    Raises BadWeights when the file cannot be used.
    """
    if not path.is_file():
        raise BadWeights(f"there is no model file {path}")
    if path.stat().st_size > MAX_BYTES:
        raise BadWeights(f"{path} has {path.stat().st_size >> 20} MiB (limit {MAX_BYTES >> 20})")
    if path.suffix.lower() == ".onnx":
        return _from_onnx(path, tile)
    _refuse_programs(path)
    config = _config_of(path)
    return from_module(config, load(config, path), tile)


def _refuse_programs(path: Path) -> None:
    """TorchScript and PT2 files are programs: reading one may run code of its author."""
    inside: list[str] = []
    if zipfile.is_zipfile(path):
        with suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
            inside = archive.namelist()
    script = any("/code/" in name for name in inside)
    exported = path.suffix.lower() == ".pt2" or any(name.endswith("/archive_format") for name in inside)
    if script or exported:
        raise BadWeights(
            f"{path} is a {'TorchScript' if script else 'torch.export'} program: loading one can run its maker's code; "
            "give the same network as ONNX or safetensors ('sweep export' writes both), or weights as .pth"
        )


def _from_onnx(path: Path, tile: int) -> Upscaler:
    data = path.read_bytes()
    try:
        items = onnx_metadata(data)
        network = onnx_runner(data)
    except BadWeights:
        raise
    except Exception as error:  # the runtime raises its own kinds on foreign bytes
        raise BadWeights(f"{path} is not an ONNX file that can be run ({first_line(error, 160)})") from None
    about = Metadata.read(items, str(path))
    return Upscaler(about.config, about.scale, about.receptive_field, network, tile)


def onnx_metadata(data: bytes) -> dict[str, str]:
    """The metadata of an ONNX file."""
    import onnx

    return {entry.key: entry.value for entry in onnx.load_from_string(data).metadata_props}


def _config_of(path: Path) -> Config:
    """From the metadata of a safetensors file, else from the file's name."""
    if path.suffix.lower() == ".safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                items = file.metadata() or {}
        except (SafetensorError, OSError) as error:
            raise BadWeights(f"{path} is a damaged safetensors file ({str(error)[:120]})") from None
        if "edge_sweep.config" in items:
            return parse_id(Metadata.read(items, str(path)).config)
    try:
        return parse_id(path.stem)
    except BadConfig:
        raise BadWeights(
            f"which config are the weights in {path} of? Name the file after it (eSR-TM_s2_K5_C4.pth), "
            "or use one made by 'sweep export'"
        ) from None
