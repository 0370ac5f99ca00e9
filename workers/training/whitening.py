"""Orthogonal steps on whitened inputs, for the layers of ESPCN and eSR-CNN.

The inputs of a layer are correlated: neighbouring pixels, channels that carry the same edge. Steepest descent and Adam
then move along what the inputs share and hardly along their differences, for tens of thousands of steps. Here the
gradient (rows, n) of a layer is taken as if its inputs, with the constant 1 for the bias, were white (multiplied by the
inverse square root of their second moments), its momentum is made orthogonal, so that all directions get steps of one
size (Jordan et al. 2024, "Muon"), and the step is transformed back. Only the inverse of the second moments is needed,
never its root (docs/decisions/032-orthogonal-steps.md, 068-an-evening.md). Moments are estimated again every
``Recipe.refresh`` steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.architectures.espcn import SubPixelCNN
from search_space.architectures.esr_cnn import EdgeSRCNN
from workers.training.patches import PatchSampler

FLOOR = 1e-4
"""Times their Frobenius norm, added to the diagonal of the second moments, so that rounding is not amplified."""
ROUNDS = 5
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Muon's polynomial: five rounds bring singular values between 0.002 and 1 near 1."""
CHUNK = 8


@dataclass(frozen=True)
class Layer:
    """Filters in a flat vector that are stepped together: ``rows`` of ``width`` taps from ``start``, their biases from
    ``bias`` (-1: they have none)."""

    start: int
    rows: int
    width: int
    bias: int

    @property
    def inputs(self) -> int:
        """Columns of the layer as a matrix: the taps, and the bias where there is one."""
        return self.width + (self.bias >= 0)


def layers_of(module: nn.Module) -> tuple[Layer, ...]:
    """The layers of an ESPCN or an eSR-CNN, in order, its values and its keys as two; empty for any other module."""
    out, at = list[Layer](), 0
    for conv in _convs(module):
        rows, width = conv.weight.shape[0], conv.weight[0].numel()
        if conv.bias is not None:
            out.append(Layer(at, rows, width, at + rows * width))
            at += rows * (width + 1)
            continue
        for _ in range(2):
            out.append(Layer(at, rows // 2, width, -1))
            at += rows // 2 * width
    return tuple(out)


def _convs(module: nn.Module) -> list[nn.Conv2d]:
    """The layers whose inputs are whitened."""
    if isinstance(module, SubPixelCNN):
        return convs(module.net)
    return convs(module.filter) if isinstance(module, EdgeSRCNN) else []


def probe(sampler: PatchSampler, step: int, patches: int = 16) -> tuple[Tensor, Tensor]:
    """``(lr, hr)`` of at least ``patches`` patches: those of ``step`` and the steps after it."""
    batches = [sampler.batch(step + i) for i in range(-(-patches // sampler.size))]
    return torch.cat([lr for lr, _ in batches]), torch.cat([hr for _, hr in batches])


def second_moments(x: Tensor, side: int, target: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean of f f^T (n, n), float64, over all windows f of ``side`` pixels in x (N, C, H, W), with a 1 at the end.

    With a ``target`` (N, T, H, W) also the mean of f t^T (n, T), else an empty tensor.
    """
    n, r = x.shape[1] * side**2 + 1, side // 2
    moments = torch.zeros(n, n, dtype=torch.float64, device=x.device)
    cross = torch.zeros(n, 0 if target is None else target.shape[1], dtype=torch.float64, device=x.device)
    count = 0
    for at in range(0, len(x), CHUNK):
        windows = F.unfold(x[at : at + CHUNK], side).transpose(0, 1).flatten(1)
        windows = torch.cat([windows, torch.ones_like(windows[:1])])
        moments += windows @ windows.T
        if target is not None:
            inside = target[at : at + CHUNK, :, r : target.shape[2] - r, r : target.shape[3] - r]
            cross += windows @ inside.transpose(0, 1).flatten(1).T
        count += windows.shape[1]
    return moments / count, cross / count


@torch.no_grad()
def inverses(module: nn.Module, low: Tensor) -> list[Tensor]:
    """The inverse (inputs, inputs), float32, of each layer's second input moments on ``low`` (N, 1, p, p)."""
    out: list[Tensor] = []
    x = low
    for conv in _convs(module):
        moments, _ = second_moments(x, conv.kernel_size[0])
        if conv.bias is None:
            moments = moments[:-1, :-1]
        moments += FLOOR * moments.norm() * torch.eye(len(moments), dtype=moments.dtype, device=x.device)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments)).float()
        out += [inverse] if conv.bias is not None else [inverse, inverse]
        x = torch.tanh(conv(x))
    return out


def orthogonal(momentum: Tensor, inverse: Tensor) -> Tensor:
    """The step (..., rows, n) for a momentum (..., rows, n) and the inverse (..., n, n) of its inputs' moments.

    With E E^T = inverse it is P E^T, where P has the singular vectors of momentum E and singular values near one.
    """
    a, b, c = QUINTIC
    turned = momentum @ inverse
    gram = turned @ momentum.mT
    size = gram.diagonal(dim1=-2, dim2=-1).sum(-1).clamp_min(1e-30)[..., None, None]
    gram = gram / size
    identity = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    total = identity
    for _ in range(ROUNDS):
        factor = a * identity + b * gram + c * gram @ gram
        total = total @ factor
        gram = gram @ factor @ factor
    return total @ turned / size.sqrt()


def gain(rows: int, n: int) -> float:
    """Factor of a step: where there are more rows than inputs, several rows share a direction."""
    return float(max(1.0, rows / n) ** 0.5)


def convs(layers: nn.Sequential) -> list[nn.Conv2d]:
    """The convolutions among ``layers``, in order."""
    return [layer for layer in layers if isinstance(layer, nn.Conv2d)]
