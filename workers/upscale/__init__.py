"""Enlarge images and videos with a trained network: luma by the network, colour by bicubic, large images in tiles."""

from workers.upscale.model import Upscaler, from_file, from_module
from workers.upscale.tiles import run_tiled

__all__ = ["Upscaler", "from_file", "from_module", "run_tiled"]
