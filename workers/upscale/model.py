"""A network ready to enlarge images, whatever file it came in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from search_space import parse_id
from search_space.config import Config
from search_space.describe import describe
from search_space.errors import BadConfig, BadWeights
from workers.deploy import deployed
from workers.export import Metadata, onnx_runner
from workers.upscale.colour import bicubic, join, split
from workers.upscale.tiles import TILE, Network, run_tiled
from workers.weights import MAX_BYTES, load


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

    def image(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) RGB or (H, W) grey, uint8, to the same kind ``scale`` times as large."""
        y, chroma = split(pixels)
        return join(self.luma(y), None if chroma is None else bicubic(chroma, self.scale))


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
    if path.suffix == ".onnx":
        return _from_onnx(path, tile)
    config = _config_of(path)
    return from_module(config, load(config, path), tile)


def _from_onnx(path: Path, tile: int) -> Upscaler:
    data = path.read_bytes()
    try:
        items = onnx_metadata(data)
        network = onnx_runner(data)
    except BadWeights:
        raise
    except Exception as error:  # the runtime raises its own kinds on foreign bytes
        line = (str(error).strip().splitlines() or ["unknown"])[0][:160]
        raise BadWeights(f"{path} is not an ONNX file that can be run ({line})") from None
    about = Metadata.read(items, str(path))
    return Upscaler(about.config, about.scale, about.receptive_field, network, tile)


def onnx_metadata(data: bytes) -> dict[str, str]:
    """What an ONNX file says about itself."""
    import onnx

    return {entry.key: entry.value for entry in onnx.load_from_string(data).metadata_props}


def _config_of(path: Path) -> Config:
    """From the metadata of a safetensors file, else from the file's name."""
    if path.suffix == ".safetensors":
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
