"""The form of a network that ships: the same function with less work (docs/decisions/080).

Four rewrites, each exact algebra, so outputs differ by rounding at most:

* the head of an edge-SR network runs in the low-resolution layout, and one pixel shuffle moves the finished
  image instead of ``maps * C`` full-size maps;
* with one template the softmax is 1: keys and queries are not computed at all;
* with two templates softmax is a sigmoid of the difference, which for eSR-TM is folded into the filters;
* a strided transposed convolution to one channel becomes a convolution and a pixel shuffle.

A family may bring a form of its own as ``fused()`` (ECBSR); that is taken first.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.architectures.edge_sr import EdgeSRMax, EdgeSRTM, EdgeSRTR
from search_space.architectures.esr_cnn import EdgeSRCNN

HEADS: dict[type[nn.Module], str] = {EdgeSRMax: "max", EdgeSRTM: "tm", EdgeSRTR: "tr", EdgeSRCNN: "cnn"}


def deployed(module: nn.Module) -> nn.Module:
    """The network as it is measured and exported: equal to ``module`` within rounding, which is left as it is.

    Takes any module that maps (N, 1, H, W) to (N, 1, sH, sW); one that no rewrite knows is returned as a copy.
    """
    own = getattr(module, "fused", None)
    out: nn.Module = own() if callable(own) else copy.deepcopy(module)
    kind = HEADS.get(type(out))
    if kind is not None:
        out = _head(out, kind)
    else:
        _without_transposed(out)
    return out.eval().requires_grad_(False)


def _head(module: nn.Module, kind: str) -> nn.Module:
    templates, scale = int(module.templates), int(module.pixel_shuffle.upscale_factor)  # type: ignore[arg-type, union-attr]
    body = module.filter
    layers = list(body) if isinstance(body, nn.Sequential) else [body]
    last = layers[-1]
    assert isinstance(last, nn.Conv2d)
    # Output channel c of the shuffled image is made of s*s channels of the filter: group them by map and template.
    maps = last.weight.detach().reshape(-1, templates, scale**2, *last.weight.shape[1:])
    if templates == 1:
        return LowResolutionHead([*layers[:-1], _conv(last, maps[:1])], "first", 1, scale)
    if kind == "tm" and templates == 2:
        (v0, v1), (k0, k1) = maps[0], maps[1]
        merged = torch.stack([v1, v0 - v1, k0 - k1])[:, None]
        return LowResolutionHead([*layers[:-1], _conv(last, merged)], "sigmoid", 1, scale)
    return LowResolutionHead([*layers[:-1], last], kind, templates, scale)


def _conv(like: nn.Conv2d, maps: Tensor) -> nn.Conv2d:
    """``like`` with the filters ``maps`` (maps, templates, s*s, c_in, k, k)."""
    weight = maps.flatten(0, 2).contiguous()
    out = nn.Conv2d(like.in_channels, weight.shape[0], weight.shape[-1], padding=weight.shape[-1] // 2, bias=False)
    out.weight = nn.Parameter(weight)
    return out


class LowResolutionHead(nn.Module):
    """Filters, the head over templates, and only then the pixel shuffle."""

    def __init__(self, layers: list[nn.Module], kind: str, templates: int, scale: int) -> None:
        super().__init__()
        self.filter = nn.Sequential(*layers)
        self.kind, self.templates, self.scale = kind, templates, scale

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) to (N, 1, sH, sW)."""
        out: Tensor = self.filter(x)
        if self.kind == "first":
            return F.pixel_shuffle(out, self.scale)
        return F.pixel_shuffle(self.combine(out), self.scale)

    def combine(self, features: Tensor) -> Tensor:
        """(N, maps * C * s*s, H, W) to (N, s*s, H, W)."""
        batch, channels, height, width = features.shape
        # Sub-pixels lie among the rows: with four axes throughout, and batch and width where they were, a runtime
        # needs no sizes computed in the graph (``graphs.without_sizes``), which OpenCV 4 cannot read.
        maps = features.reshape(batch, channels // self.scale**2, self.scale**2 * height, width)
        return self._mixed(maps).reshape(batch, self.scale**2, height, width)

    def _mixed(self, maps: Tensor) -> Tensor:
        """(N, maps * C, rows, W) to (N, 1, rows, W)."""
        if self.kind == "max":
            return maps.amax(dim=1, keepdim=True)
        if self.kind == "sigmoid":
            base, step, key = torch.split(maps, 1, dim=1)
            return base + step * key.sigmoid()
        value, key, *query = torch.split(maps, self.templates, dim=1)
        logits = {"tm": lambda: key, "tr": lambda: key * query[0], "cnn": lambda: key * key}[self.kind]()
        return (value * logits.softmax(dim=1)).sum(dim=1, keepdim=True)


def _without_transposed(module: nn.Module) -> None:
    """Replace, in place, every transposed convolution to one channel that enlarges exactly by its stride."""
    for name, child in module.named_children():
        if isinstance(child, nn.ConvTranspose2d) and _enlarges_exactly(child):
            setattr(module, name, shuffled(child))
        else:
            _without_transposed(child)


def _enlarges_exactly(layer: nn.ConvTranspose2d) -> bool:
    square = len(set(layer.kernel_size)) == len(set(layer.stride)) == len(set(layer.padding)) == 1
    plain = layer.groups == 1 and layer.out_channels == 1 and layer.dilation == (1, 1)
    scale = layer.stride[0]
    grown = layer.kernel_size[0] - scale - 2 * int(layer.padding[0]) + layer.output_padding[0]
    return square and plain and scale > 1 and grown == 0


def shuffled(layer: nn.ConvTranspose2d) -> nn.Sequential:
    """A convolution to s*s channels and a pixel shuffle that give what the transposed convolution gives.

    Output pixel s*q + r takes input pixel q + d through tap r + padding - s*d, for every d that has such a tap.
    """
    scale, padding, taps = layer.stride[0], int(layer.padding[0]), layer.kernel_size[0]
    reach = max(-((taps - 1 - padding) // -scale), (scale - 1 + padding) // scale)
    weight = torch.zeros(scale, scale, layer.in_channels, 2 * reach + 1, 2 * reach + 1, dtype=layer.weight.dtype)
    places = [
        (r, d + reach, r + padding - scale * d)
        for r in range(scale)
        for d in range(-reach, reach + 1)
        if 0 <= r + padding - scale * d < taps
    ]
    for row, y, tap_y in places:
        for column, x, tap_x in places:
            weight[row, column, :, y, x] = layer.weight.detach()[:, 0, tap_y, tap_x]
    # Rows and columns of taps that no phase uses would be multiplied by zero for nothing.
    used = weight.abs().sum(dim=(0, 1, 2))
    while reach and not (used[0].any() or used[-1].any() or used[:, 0].any() or used[:, -1].any()):
        weight, used, reach = weight[..., 1:-1, 1:-1], used[1:-1, 1:-1], reach - 1
    conv = nn.Conv2d(layer.in_channels, scale**2, 2 * reach + 1, padding=reach, bias=layer.bias is not None)
    conv.weight = nn.Parameter(weight.flatten(0, 1).contiguous())
    if conv.bias is not None and layer.bias is not None:
        conv.bias = nn.Parameter(layer.bias.detach().repeat(scale**2))
    return nn.Sequential(conv, nn.PixelShuffle(scale))
