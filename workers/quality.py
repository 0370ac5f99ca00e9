"""How good the image is: PSNR, SSIM and LPIPS of whole images under one named protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from search_space.config import Config
from search_space.errors import BadData, MissingExtra
from search_space.facts import Quality
from workers.degrade import low_resolution
from workers.images import ImageSet
from workers.luma import crop, luma

PROTOCOL = "y-bt601-bicubic-aa-v1"
"""BT.601 studio-range luma in floating point, cropped to a multiple of the scale; input by antialiased bicubic
(a = -0.5) of that luma, rounded to 8 bits; network in fp32 on Y / 255, output clamped to [0, 1], not rounded;
a border of ``scale`` pixels shaved; peak 255; mean over images. A change of any of these is a new name."""

UNITS = {"psnr": "dB", "ssim": "", "lpips": ""}


@dataclass(frozen=True, eq=False)
class Pair:
    """One prepared test image: ``lr`` (1, 1, h, w) in [0, 1] from 8 bits, ``hr`` (1, 1, s*h, s*w) in 0..255."""

    name: str
    lr: Tensor
    hr: Tensor


_pairs: WeakKeyDictionary[ImageSet, dict[int, tuple[Pair, ...]]] = WeakKeyDictionary()
_bicubic: WeakKeyDictionary[ImageSet, dict[int, float]] = WeakKeyDictionary()


def prepare(images: ImageSet, scale: int) -> tuple[Pair, ...]:
    """Luma and low resolution of a set at a scale; made once and kept as long as the set lives."""
    kept = _pairs.setdefault(images, {})
    if scale not in kept:
        made = []
        for name, pixels in zip(images.names, images.pixels, strict=True):
            hr = crop(luma(pixels), scale)
            lr = low_resolution(hr, scale)
            hr_tensor = torch.from_numpy(hr.copy())[None, None]
            made.append(Pair(name, torch.from_numpy(lr)[None, None].float().div_(255), hr_tensor))
        kept[scale] = tuple(made)
    return kept[scale]


def evaluate(
    config: Config,
    module: nn.Module,
    images: ImageSet,
    metrics: Sequence[str] = ("psnr", "ssim"),
    device: str | torch.device = "cpu",
) -> list[Quality]:
    """Each metric of ``module`` on ``images``: the mean over images, with every image's own value.

    Whole images, fp32, no gradients; the module is returned to the mode it was in. A value that is not
    finite (a diverged net) is kept as NaN, never dropped from the mean. Raises BadData for an unknown metric.
    """
    measures = {name: _measure(name) for name in metrics}
    values: dict[str, list[tuple[str, float]]] = {name: [] for name in metrics}
    was_training = module.training
    module = module.to(device).eval()
    try:
        with torch.inference_mode():
            for pair in prepare(images, config.scale):
                output = module(pair.lr.to(device)).float().clamp(0, 1) * 255
                if output.shape != pair.hr.shape:
                    raise BadData(f"{config.id} gave {tuple(output.shape)} for {pair.name}, not {tuple(pair.hr.shape)}")
                got, want = shave(output, config.scale), shave(pair.hr.to(device), config.scale)
                for name, measure in measures.items():
                    values[name].append((pair.name, float(measure(got, want))))
    finally:
        module.train(was_training)
    return [
        Quality(config.id, images.name, name, _mean(v for _, v in rows), UNITS[name], PROTOCOL, tuple(rows))
        for name, rows in values.items()
    ]


def bicubic_psnr(images: ImageSet, scale: int) -> float:
    """PSNR in dB of plain bicubic enlargement (a = -0.5) under the same protocol; what every net should beat."""
    kept = _bicubic.setdefault(images, {})
    if scale not in kept:
        rows = []
        for pair in prepare(images, scale):
            # antialias=True enlarging is a plain bicubic with a = -0.5; without it torch uses a = -0.75.
            up = torch.nn.functional.interpolate(pair.lr, scale_factor=scale, mode="bicubic", antialias=True)
            rows.append(float(psnr(shave(up.clamp(0, 1) * 255, scale), shave(pair.hr, scale))))
        kept[scale] = _mean(rows)
    return kept[scale]


def shave(image: Tensor, border: int) -> Tensor:
    """Without ``border`` pixels on each side, where a filter sees past the image."""
    return image[..., border:-border, border:-border]


def psnr(got: Tensor, want: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of (1, 1, H, W) images in 0..255; infinite when they are equal."""
    from torchmetrics.functional.image import peak_signal_noise_ratio

    value: Tensor = peak_signal_noise_ratio(got, want, data_range=255.0)
    return value


def ssim(got: Tensor, want: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004): Gaussian window 11 x 11, sigma 1.5, K 0.01 and 0.03, range 255."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    value = structural_similarity_index_measure(got, want, gaussian_kernel=True, sigma=1.5, data_range=255.0)
    assert isinstance(value, Tensor)
    return value


def _measure(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    if name == "psnr":
        return psnr
    if name == "ssim":
        return ssim
    if name == "lpips":
        raise MissingExtra("LPIPS needs torchvision: pip install 'edge-sweep[lpips]'")
    raise BadData(f"there is no metric {name!r} (psnr, ssim, lpips)")


def _mean(values: object) -> float:
    numbers = list(values)  # type: ignore[call-overload]
    return math.fsum(numbers) / len(numbers) if all(map(math.isfinite, numbers)) else float(sum(numbers) / len(numbers))
