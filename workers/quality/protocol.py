"""How good the image is: PSNR, SSIM and LPIPS of whole images under one named protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from search_space.config import Config
from search_space.errors import BadData, MissingExtra
from search_space.facts import Quality
from search_space.metrics import unit_of
from workers.data.degrade import low_resolution
from workers.data.image_set import ImageSet
from workers.data.luma import crop, luma
from workers.quality.ssim import WINDOW, compiled, ssim
from workers.training.precision import applied

PROTOCOL = "y-bt601-bicubic-aa-v1"
"""BT.601 studio-range luma in floating point, cropped to a multiple of the scale; input by antialiased bicubic
(a = -0.5) of that luma, rounded to 8 bits; network in fp32 on Y / 255, output clamped to [0, 1], not rounded;
a border of ``scale`` pixels shaved; peak 255; mean over images (of a PSNR over those that did not come back exactly,
where it is infinite). A change of any of these is a new name."""

MATLAB = "y-bt601-bicubic-matlab-v1"
"""The same, but the input is made as MATLAB's ``imresize`` and BasicSR make it, which mirror the image at its border
(ours renormalises the filter there): for figures beside those of papers."""

PROTOCOLS = {"aa": PROTOCOL, "matlab": MATLAB}
"""Short names of the protocols."""

MIRRORED = 4
"""Pixels of the small image by which its original is mirrored beyond the border: the filter reaches two."""

KEEP_MEGAPIXELS = 40.0
"""Of a larger set only one scale is kept prepared: packs come scale by scale, and Urban100 takes 300 MiB each."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One prepared test image: ``lr`` (1, 1, h, w) in [0, 1] from 8 bits, ``hr`` (1, 1, s*h, s*w) in 0..255."""

    name: str
    lr: Tensor
    hr: Tensor


_pairs: WeakKeyDictionary[ImageSet, dict[tuple[int, str], tuple[Pair, ...]]] = WeakKeyDictionary()
_bicubic: WeakKeyDictionary[ImageSet, dict[tuple[int, str], float]] = WeakKeyDictionary()


def protocol_named(name: str) -> str:
    """The full name of a protocol that is given by either name. Raises BadData for another.

    >>> protocol_named("matlab")
    'y-bt601-bicubic-matlab-v1'
    """
    full = PROTOCOLS.get(name, name)
    if full not in PROTOCOLS.values():
        raise BadData(f"there is no protocol {name!r} (choose from {', '.join(PROTOCOLS)})")
    return full


def prepare(images: ImageSet, scale: int, protocol: str = PROTOCOL) -> tuple[Pair, ...]:
    """Luma and low resolution of a set at a scale; made once and kept as long as the set lives."""
    kept = _pairs.setdefault(images, {})
    if (scale, protocol) not in kept:
        if images.megapixels > KEEP_MEGAPIXELS:
            kept.clear()
        made = []
        for name, pixels in zip(images.names, images.pixels, strict=True):
            hr = crop(luma(pixels), scale)
            lr = _mirrored_low_resolution(hr, scale) if protocol == MATLAB else low_resolution(hr, scale)
            hr_tensor = torch.from_numpy(hr.copy())[None, None]
            made.append(Pair(name, torch.from_numpy(lr)[None, None].float().div_(255), hr_tensor))
        kept[scale, protocol] = tuple(made)
    return kept[scale, protocol]


def _mirrored_low_resolution(hr: NDArray[np.float32], scale: int) -> NDArray[np.uint8]:
    return low_resolution(np.pad(hr, MIRRORED * scale, "symmetric"), scale)[MIRRORED:-MIRRORED, MIRRORED:-MIRRORED]


def evaluate(
    config: Config,
    module: nn.Module,
    images: ImageSet,
    metrics: Sequence[str] = ("psnr", "ssim"),
    device: str | torch.device = "cpu",
    protocol: str = PROTOCOL,
) -> list[Quality]:
    """Each metric of ``module`` on ``images`` by a ``protocol``: the mean over images, with every image's own value.

    Whole images, fp32, no gradients; the module is given back in the mode and on the device it came in. A value that
    is not finite (a diverged net) is kept as NaN, never dropped from the mean. Raises BadData for an unknown metric.
    """
    require_metrics(metrics)
    values: dict[str, list[tuple[str, float]]] = {name: [] for name in metrics}
    was_training, home = module.training, next((p.device for p in module.parameters()), torch.device("cpu"))
    module = module.to(device).eval()
    try:
        # fp32 on a GPU too, where torch alone would take TF32 for convolutions.
        with torch.inference_mode(), applied("fp32", device):
            for pair in prepare(images, config.scale, protocol):
                output = module(pair.lr.to(device)).float().clamp(0, 1) * 255
                if output.shape != pair.hr.shape:
                    raise BadData(f"{config.id} gave {tuple(output.shape)} for {pair.name}, not {tuple(pair.hr.shape)}")
                got, want = shave(output, config.scale), shave(pair.hr.to(device), config.scale)
                for name, value in _measure(got, want, metrics).items():
                    values[name].append((pair.name, value))
    finally:
        module.train(was_training).to(home)
    return [
        Quality(config.id, images.name, name, _mean(v for _, v in rows), unit_of(name), protocol, tuple(rows))
        for name, rows in values.items()
    ]


def _measure(got: Tensor, want: Tensor, metrics: Sequence[str]) -> dict[str, float]:
    """Each metric of one image; the compiled way gives two at once and equals the other within rounding."""
    quick: dict[str, float] = {}
    if "ssim" in metrics and min(got.shape[-2:]) >= WINDOW and (both := compiled(got, want)):
        error, quick["ssim"] = both
        quick["psnr"] = float(10 * torch.log10(255.0**2 / torch.tensor(error, dtype=torch.float64)))
    return {name: quick[name] if name in quick else float(_MEASURES[name](got, want)) for name in metrics}


def bicubic_psnr(images: ImageSet, scale: int, protocol: str = PROTOCOL) -> float:
    """PSNR in dB of plain bicubic enlargement (a = -0.5) under the same protocol; what every net should beat."""
    kept = _bicubic.setdefault(images, {})
    if (scale, protocol) not in kept:
        margin = MIRRORED if protocol == MATLAB else 0
        rows = []
        for pair in prepare(images, scale, protocol):
            wide = np.pad(pair.lr[0, 0].numpy(), margin, "symmetric")
            # antialias=True enlarging is a plain bicubic with a = -0.5; without it torch uses a = -0.75.
            up = interpolate(torch.from_numpy(wide)[None, None], scale_factor=scale, mode="bicubic", antialias=True)
            whole = shave(up, margin * scale) if margin else up
            rows.append(float(psnr(shave(whole.clamp(0, 1) * 255, scale), shave(pair.hr, scale))))
        kept[scale, protocol] = _mean(rows)
    return kept[scale, protocol]


def shave(image: Tensor, border: int) -> Tensor:
    """Without ``border`` pixels on each side, where a filter sees past the image."""
    return image[..., border:-border, border:-border]


def psnr(got: Tensor, want: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of images in 0..255: 10 log10(255^2 / MSE); infinite when they are equal."""
    mse = (got.double() - want.double()).square_().mean()
    return 10 * torch.log10(255.0**2 / mse)


def lpips(got: Tensor, want: Tensor) -> Tensor:
    """Learned perceptual distance (Zhang et al. 2018, AlexNet) of grey (1, 1, H, W) images in 0..255; 0 is equal.

    The network's weights are downloaded by torchvision at first use. Raises MissingExtra without torchvision.
    """
    if find_spec("torchvision") is None:
        raise MissingExtra("LPIPS needs torchvision: pip install 'edge-sweep[lpips]'")
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity as distance

    a, b = (image.div(255).clamp(0, 1).expand(-1, 3, -1, -1) for image in (got, want))
    value: Tensor = distance(a, b, net_type="alex", normalize=True)
    return value


_MEASURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"psnr": psnr, "ssim": ssim, "lpips": lpips}


def require_metrics(metrics: Sequence[str]) -> None:
    """Refuse a metric that does not exist (BadData) or whose extra is not installed (MissingExtra)."""
    for name in metrics:
        if name not in _MEASURES:
            raise BadData(f"there is no metric {name!r} (choose from {', '.join(_MEASURES)})")
        if name == "lpips" and find_spec("torchvision") is None:
            raise MissingExtra("LPIPS needs torchvision: pip install 'edge-sweep[lpips]'")


def _mean(values: Iterable[float]) -> float:
    """Over what is not infinite: one flat image that comes back exactly says nothing of the others."""
    numbers = list(values)
    finite = [number for number in numbers if number != math.inf]
    if not finite:
        return math.inf
    return (math.fsum(finite) if all(map(math.isfinite, finite)) else sum(finite)) / len(finite)
