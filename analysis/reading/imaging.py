"""Images for charts: luma, the small image and a model's output, by the protocol of ``workers.quality.protocol``.

The few lines of the protocol are repeated because ``analysis`` may not import ``workers``; a test holds the
two together bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from search_space.errors import BadData

if TYPE_CHECKING:
    from torch import nn

SAMPLE = "chelsea.png"
"""A photograph of the embedded test set; no sweep trains on it by default."""
SAMPLE_CROP = (135, 75, 96, 96)
MOST_PIXELS = 40_000_000
_LUMA = np.array([65.481, 128.553, 24.966]) / 255.0


@dataclass(frozen=True)
class TestImage:
    """A test image: ``hr`` (H, W) luma in 0..255, sides multiples of the scale; ``lr`` (H/s, W/s) in 0..1 of 8 bits."""

    name: str
    scale: int
    hr: NDArray[np.float32]
    lr: NDArray[np.float32]


def read_luma(path: Path | None = None) -> tuple[str, NDArray[np.float32]]:
    """Name and BT.601 luma (H, W) in 0..255 of an image file, or of the embedded sample. Raises BadData."""
    name, image = _read(path)
    pixels = image.astype(np.float64)
    values = pixels * (219.0 / 255.0) if pixels.ndim == 2 else pixels @ _LUMA
    return name, (16.0 + values).astype(np.float32)


def read_rgb(path: Path | None = None) -> tuple[str, NDArray[np.uint8]]:
    """Name and pixels (H, W, 3) of an image file, or of the embedded sample. Raises BadData."""
    name, image = _read(path)
    return name, image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def _read(path: Path | None) -> tuple[str, NDArray[np.uint8]]:
    """Name and pixels, (H, W) of a grey image, else (H, W, 3)."""
    from PIL import Image, UnidentifiedImageError

    chosen = path or _sample()
    try:
        with Image.open(chosen, formats=["PNG", "JPEG", "BMP", "TIFF", "WEBP"]) as image:
            if image.width * image.height > MOST_PIXELS:
                raise BadData(f"{chosen} has more than {MOST_PIXELS // 10**6} megapixels")
            return chosen.stem, np.asarray(image.convert("L" if image.mode in ("L", "1") else "RGB"))
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "not an image that can be read"
        raise BadData(f"cannot use {chosen}: {reason}") from None


def _sample() -> Path:
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise BadData("scikit-image is not installed, so there is no sample image: give --image FILE")
    return Path(spec.submodule_search_locations[0]) / "data" / SAMPLE


def pair(name: str, luma: NDArray[np.float32], scale: int) -> TestImage:
    """The image and its antialiased bicubic (a = -0.5) small version, in 8 bits. Raises BadData if too small."""
    import torch
    from torch.nn.functional import interpolate

    height, width = luma.shape[0] // scale * scale, luma.shape[1] // scale * scale
    if min(height, width) < 8 * scale:
        raise BadData(f"{name} is too small for x{scale}")
    hr = np.ascontiguousarray(luma[:height, :width])
    size = (height // scale, width // scale)
    small = interpolate(torch.from_numpy(hr)[None, None], size=size, mode="bicubic", antialias=True)
    lr = small[0, 0].round().clamp(0, 255).div(255).numpy()
    return TestImage(name, scale, hr, lr)


def upscale(module: nn.Module, pair: TestImage) -> NDArray[np.float32]:
    """The network's output for the small image: (H, W) luma in 0..255."""
    import torch

    with torch.inference_mode():
        out = module.eval()(torch.from_numpy(pair.lr)[None, None])
    image: NDArray[np.float32] = out[0, 0].clamp(0, 1).mul(255).numpy()
    return image


def psnr(image: NDArray[np.float32], pair: TestImage) -> float:
    """PSNR in dB against the HR image, a border of ``scale`` pixels shaved."""
    s = pair.scale
    error = image[s:-s, s:-s].astype(np.float64) - pair.hr[s:-s, s:-s]
    mse = float(np.mean(error**2))
    return float("inf") if mse == 0 else float(10 * np.log10(255.0**2 / mse))
