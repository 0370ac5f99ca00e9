"""Networks of one structure and different sizes as one batched network, padded with zeros, in torch operations.

Padded channels stay at zero by themselves (they get no gradient while what follows them is zero); taps around a
smaller filter do get one, so gradients are masked; padded templates are excluded from a head by minus infinity.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.architectures.edge_sr import EdgeSRMax, EdgeSRTM, EdgeSRTR, OneLayerNet
from search_space.architectures.espcn import SubPixelCNN
from search_space.architectures.esr_cnn import EdgeSRCNN
from search_space.architectures.fsrcnn import FastSRCNN
from search_space.architectures.linear import LinearFilter
from workers.training.optimiser import split, trained

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """What networks must share to be stacked: the kind of net and its number of layers."""

    kind: str
    layers: int
    scale: int


def structure_of(module: nn.Module, scale: int) -> Structure | None:
    """The structure of a module, or None for one that cannot be stacked."""
    kinds: dict[type[nn.Module], str] = {
        EdgeSRMax: "max", EdgeSRTM: "tm", EdgeSRTR: "tr",
        LinearFilter: "max", EdgeSRCNN: "cnn", SubPixelCNN: "espcn", FastSRCNN: "fsrcnn",
    }  # fmt: skip
    kind = kinds.get(type(module))
    return Structure(kind, len(trained(module)), scale) if kind else None


def shapes_of(module: nn.Module, scale: int) -> list[Shape]:
    """The shape of each weight with the templates of a last layer as a separate axis: (maps, C, s*s, ...)."""
    shapes: list[Shape] = [tuple(p.shape) for p in trained(module)]
    if isinstance(module, (OneLayerNet, EdgeSRCNN)):
        last = shapes[-1]
        maps = last[0] // (module.templates * scale**2)
        shapes[-1] = (maps, module.templates, scale**2, *last[1:])
    elif isinstance(module, LinearFilter):  # an eSR-MAX of one template
        shapes[-1] = (1, 1, *shapes[-1])
    return shapes


def padded_shapes(shapes: list[list[Shape]]) -> list[Shape]:
    """The smallest shapes that hold every member's."""
    return [tuple(map(max, zip(*same, strict=True))) for same in zip(*shapes, strict=True)]


class Stack:
    """``weights``: one tensor (members, padded shape) for each weight of the structure; ``masks``: 1 where real."""

    def __init__(self, modules: list[nn.Module], scale: int, device: str | torch.device = "cpu") -> None:
        structure = structure_of(modules[0], scale)
        if structure is None or any(structure_of(m, scale) != structure for m in modules):
            raise ValueError("these modules cannot be stacked")
        self.structure, self.modules, self.device = structure, modules, torch.device(device)
        self.shapes = [shapes_of(module, scale) for module in modules]
        self.padded = padded_shapes(self.shapes)
        self.weights = self.empty()
        self.masks = self.empty()
        for index, module in enumerate(modules):
            self.put(self.weights, index, [p.detach() for p in trained(module)])
            self.put(self.masks, index, [torch.ones_like(p) for p in trained(module)])
        self.shut = self._shut()

    def empty(self) -> list[Tensor]:
        """Zeros in the padded shapes."""
        return [torch.zeros(len(self.modules), *shape, device=self.device) for shape in self.padded]

    def put(self, tensors: list[Tensor], index: int, parts: list[Tensor]) -> None:
        """Write one member's weights (or moments), given as the module shapes them."""
        for tensor, shape, part in zip(tensors, self.shapes[index], parts, strict=True):
            tensor[index][_place(shape, tensor.shape[1:])] = part.reshape(shape).to(self.device)

    def take(self, tensors: list[Tensor], index: int) -> Tensor:
        """The inverse of ``put``, flat and on the CPU."""
        shapes = self.shapes[index]
        parts = [t[index][_place(s, t.shape[1:])] for t, s in zip(tensors, shapes, strict=True)]
        return torch.cat([part.detach().reshape(-1) for part in parts]).cpu()

    def put_flat(self, tensors: list[Tensor], index: int, vector: Tensor) -> None:
        """``put`` for a flat vector."""
        self.put(tensors, index, split(vector, self.modules[index]))

    def _shut(self) -> Tensor | None:
        """Minus infinity at padded templates (members, C, 1, 1, 1), or None where no member is padded."""
        if self.structure.kind in ("espcn", "fsrcnn"):
            return None
        templates = torch.tensor([shapes[-1][1] for shapes in self.shapes])
        most = int(templates.max())
        if bool((templates == most).all()):
            return None
        real = torch.arange(most)[None] < templates[:, None]
        shut = torch.zeros(real.shape).masked_fill_(~real, float("-inf"))
        return shut[:, :, None, None, None].to(self.device)

    def outputs(self, x: Tensor, weights: list[Tensor], border: int) -> Tensor:
        """(B, members, s*s, h, w): sub-pixels inside ``border`` low-resolution pixels of x (B, 1, H, W)."""
        kind, members = self.structure.kind, len(self.modules)
        if kind == "fsrcnn":
            y = _fsrcnn(x, weights, self.modules)
            y = _inner(y, border * self.structure.scale)
            return torch.unflatten(F.pixel_unshuffle(y.flatten(0, 1)[:, None], self.structure.scale), 0, (-1, members))
        if kind == "espcn":
            return torch.unflatten(
                torch.sigmoid(_inner(_layers(x, weights, members), border).float()), 1, (members, -1)
            )
        if kind == "cnn":
            y = _layers(x, [*weights[:-1], weights[-1].flatten(1, 3)], members)
        else:
            y = F.conv2d(x, weights[0].flatten(0, 3), padding=weights[0].shape[-1] // 2)
        shape = weights[-1].shape[1:4]
        maps = torch.unflatten(_inner(y, border).float(), 1, (members, *shape)).unbind(2)
        return _head(kind, list(maps), self.shut)


def _place(shape: Shape, room: Shape) -> tuple[slice, ...]:
    """Where a weight lies in its padded tensor: first, but a filter's window in the middle."""
    out = [slice(0, n) for n in shape]
    if len(shape) >= 4:
        for axis in (-2, -1):
            first = (room[axis] - shape[axis]) // 2
            out[axis] = slice(first, first + shape[axis])
    return tuple(out)


def _inner(image: Tensor, border: int) -> Tensor:
    return image[..., border:-border, border:-border] if border else image


def _conv(x: Tensor, weight: Tensor, bias: Tensor | None, members: int, first: bool) -> Tensor:
    """Every member's convolution: one product over the shared input, or a grouped one."""
    groups = 1 if first else members
    flat = bias.flatten() if bias is not None else None
    return F.conv2d(x, weight.flatten(0, 1), flat, padding=weight.shape[-1] // 2, groups=groups)


def _layers(x: Tensor, weights: list[Tensor], members: int) -> Tensor:
    """Convolutions with tanh between them; the weights of the last one may come without a bias."""
    for at in range(0, len(weights), 2):
        bias = weights[at + 1] if at + 1 < len(weights) else None
        x = _conv(x, weights[at], bias, members, at == 0)
        x = torch.tanh(x) if at + 2 < len(weights) else x
    return x


def _fsrcnn(x: Tensor, weights: list[Tensor], modules: list[nn.Module]) -> Tensor:
    *hidden, weight, bias = weights
    members, enlarge = len(modules), modules[0].net[-1]  # type: ignore[index]
    assert isinstance(enlarge, nn.ConvTranspose2d)
    for at in range(0, len(hidden), 3):
        z = _conv(x, hidden[at], hidden[at + 1], members, at == 0)
        slope = hidden[at + 2].expand(-1, hidden[at].shape[1]).flatten()[:, None, None]
        x = torch.where(z > 0, z, z * slope)
    pad, more = int(enlarge.padding[0]), enlarge.output_padding[0]
    y = F.conv_transpose2d(x, weight.flatten(0, 1), bias.flatten(), enlarge.stride[0], pad, more, members)
    return y.float()


def _head(kind: str, maps: list[Tensor], shut: Tensor | None) -> Tensor:
    """maps: tensors (B, members, C, s*s, h, w), values first."""
    if kind == "max":
        (value,) = maps
        return (value if shut is None else value + shut).amax(2)
    value, key = maps[0], maps[-1]
    logit = {"tm": lambda: key, "tr": lambda: maps[1] * key, "cnn": lambda: key * key}[kind]()
    return (value * (logit if shut is None else logit + shut).softmax(2)).sum(2)
