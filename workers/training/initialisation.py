"""Initial weights: a deep net starts by passing its input through, as eSR filters start with a centre tap of one.

``pass_through`` needs no data: one channel of each layer carries the pixel under the filter to the output; the others
keep PyTorch's random initialisation, with smaller weights in the last layer. The net begins near plain enlargement
instead of near grey, which saves nets this small thousands of steps (docs/decisions/030-start.md).

``fit`` then uses patches: the hidden filters of ESPCN and eSR-CNN get responses of equal spread (each filter's mean
response is subtracted by its bias). Some explain what the pixel itself does not; the others are random, on whitened
inputs in eSR-CNN, as they are drawn in ESPCN. ESPCN's last layer is solved for by least squares
(docs/decisions/033-fitted-start.md, 140-random-filters-that-see-brightness.md).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.architectures.bicubic import cubic
from search_space.architectures.espcn import SubPixelCNN
from search_space.architectures.esr_cnn import EdgeSRCNN
from search_space.architectures.fsrcnn import FastSRCNN
from workers.training.whitening import convs, second_moments

SPREAD = 1.0
"""Standard deviation of a fitted hidden filter's response, before its tanh."""
FLOOR = 1e-4
"""Added to each variance of a layer's inputs, times the largest."""
TINY = 1e-12
"""Lower bound of the largest variance: patches of one grey have none."""
RIDGE = 1e-5
"""Added to each second moment of the last layer's inputs, times their mean."""
BLACK = 0.02
"""Targets are clamped to this distance from 0 and 1 before their logit is taken."""
QUIET = 0.1
"""Factor for the random weights of the last layer."""


def pass_through(module: nn.Module) -> None:
    """Set the weights of an ESPCN, eSR-CNN or FSRCNN in place; other modules keep their initialisation."""
    with torch.no_grad():
        if isinstance(module, SubPixelCNN):
            *hidden, last = convs(module.net)
            _carry(hidden, first_gain=1.0, first_bias=-0.5)
            _undo_sigmoid(hidden, last)
        elif isinstance(module, EdgeSRCNN):
            *hidden, last = convs(module.filter)
            _carry(hidden, first_gain=0.5, first_bias=0.0)
            _finish(last, gain=2.2)
            half = last.weight.shape[0] // 2
            last.weight[half:, 0, 1, 1] = 0.0
        elif isinstance(module, FastSRCNN):
            _carry(convs(module.net), first_gain=1.0, first_bias=0.0)
            enlarge = module.net[-1]
            assert isinstance(enlarge, nn.ConvTranspose2d) and enlarge.bias is not None
            enlarge.weight.mul_(QUIET)
            enlarge.weight[0, 0] = _enlarge(enlarge)
            enlarge.bias.zero_()


@torch.no_grad()
def fit(module: nn.Module, low: Tensor, high: Tensor) -> None:
    """Fit an ESPCN, or the hidden layers of an eSR-CNN, in place to patches (N, 1, p, p) and (N, 1, sp, sp).

    Other modules keep their initialisation.
    """
    if isinstance(module, SubPixelCNN):
        *hidden, last = convs(module.net)
    elif isinstance(module, EdgeSRCNN):
        *hidden, last = convs(module.filter)
    else:
        return
    scale = high.shape[-1] // low.shape[-1]
    truth = F.pixel_unshuffle(high, scale)
    target = torch.logit(truth, BLACK) if isinstance(module, SubPixelCNN) else truth
    missing = _missing(low, target)
    x = low
    for at, conv in enumerate(hidden):
        # Channels that carry the pixel stay: one per layer, two before a sigmoid.
        carried = 2 if isinstance(module, SubPixelCNN) and at == len(hidden) - 1 else 1
        _spread(conv, x, missing, carried, isinstance(module, EdgeSRCNN))
        x = torch.tanh(conv(x))
    if isinstance(module, SubPixelCNN):
        _solve(last, x, target)


def _missing(low: Tensor, target: Tensor) -> Tensor:
    """The residual of the target (N, s*s, p, p) after linear regression on the pixel itself."""
    x = torch.stack([low.flatten(), torch.ones_like(low.flatten())], dim=1).double()
    y = target.transpose(0, 1).flatten(1).T.double()
    residual: Tensor = y - x @ torch.linalg.lstsq(x, y).solution
    return residual.T.float().view(-1, len(low), *low.shape[2:]).transpose(0, 1)


def _spread(conv: nn.Conv2d, x: Tensor, missing: Tensor, carried: int, whitened: bool) -> None:
    """Filters after the first ``carried``: those that explain most of ``missing``, then random ones.

    Random filters of whitened inputs hardly see brightness. In ESPCN, which cannot do without it, they are left as
    they are drawn, and at least half of the filters are random.
    """
    moments, cross = second_moments(x, conv.kernel_size[0], missing)
    mean = moments[:-1, -1]
    variances, axes = torch.linalg.eigh(moments[:-1, :-1] - torch.outer(mean, mean))
    variances = variances.clamp_min(0)
    white = axes * (variances + FLOOR * variances[-1].clamp_min(TINY)).rsqrt() @ axes.T
    filters = conv.weight.flatten(1).double()
    free = len(filters) - carried
    if whitened:
        filters = filters @ white
    else:
        free //= 2
    explaining = torch.linalg.svd(white @ (cross[:-1] - torch.outer(mean, cross[-1])), full_matrices=False)[0].T @ white
    count = max(0, min(len(explaining), free))
    filters[carried : carried + count] = explaining[:count]
    size = ((filters @ axes).square() @ variances).sqrt().clamp_min(1e-12)
    filters *= SPREAD / size[:, None]
    conv.weight[carried:] = filters.view_as(conv.weight)[carried:].float()
    if conv.bias is not None:
        conv.bias[carried:] = -(filters @ mean)[carried:].float()


def _solve(last: nn.Conv2d, x: Tensor, target: Tensor) -> None:
    """The linear layer before ESPCN's sigmoid, by least squares on the logit of the target."""
    moments, cross = second_moments(x, last.kernel_size[0], target)
    moments += RIDGE * moments.diagonal().mean() * torch.eye(len(moments), dtype=moments.dtype, device=x.device)
    solution = torch.linalg.solve(moments, cross).T.float()
    assert last.bias is not None
    last.weight.copy_(solution[:, :-1].reshape(last.weight.shape))
    last.bias.copy_(solution[:, -1])


def _carry(convs: list[nn.Conv2d], first_gain: float, first_bias: float) -> None:
    """Channel 0 of every layer is the centre pixel of channel 0 before it."""
    for index, conv in enumerate(convs):
        centre = conv.kernel_size[0] // 2
        conv.weight[0] = 0.0
        conv.weight[0, 0, centre, centre] = first_gain if index == 0 else 1.0
        if conv.bias is not None:
            conv.bias[0] = first_bias if index == 0 else 0.0


def _finish(conv: nn.Conv2d, gain: float) -> None:
    """Every output is ``gain`` times the carried pixel plus ``QUIET`` times the random weights."""
    conv.weight.mul_(QUIET)
    conv.weight[:, 0] = 0.0
    conv.weight[:, 0, 1, 1] = gain
    if conv.bias is not None:
        conv.bias.zero_()


def _undo_sigmoid(hidden: list[nn.Conv2d], last: nn.Conv2d) -> None:
    """A second channel carries twice the pixel; a mix of the two tanh curves fits the logit of luma 16..235."""
    mixer = hidden[-1]
    if mixer.out_channels < 2 or mixer.bias is None:
        _finish(last, gain=4.0)
        return
    mixer.weight[1] = 2 * mixer.weight[0]
    mixer.bias[1] = 2 * mixer.bias[0]
    luma = torch.linspace(16 / 255, 235 / 255, 101, dtype=torch.float64)
    carried = luma - 0.5
    for _ in hidden[1:]:
        carried = carried.tanh()
    curves = torch.stack([carried.tanh(), (2 * carried).tanh()], dim=1)
    gains = torch.linalg.lstsq(curves, torch.logit(luma)[:, None]).solution[:, 0].to(last.weight)
    _finish(last, gain=float(gains[0]))
    last.weight[:, 1] = 0.0
    last.weight[:, 1, 1, 1] = gains[1]


def _enlarge(layer: nn.ConvTranspose2d) -> Tensor:
    """A cubic filter with the size and padding of a transposed convolution; each phase sums to one."""
    side, stride, padding = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])
    taps = cubic((torch.arange(side, dtype=torch.float64) - padding + 0.5) / stride - 0.5)
    for phase in range(stride):
        taps[phase::stride] /= taps[phase::stride].sum()
    return torch.outer(taps, taps).to(layer.weight)
