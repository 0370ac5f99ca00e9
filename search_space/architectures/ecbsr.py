"""ECBSR: convolutions that train as five branches, edge detectors among them, and run as one.

All branches of a block are linear, so their sum is one 3 x 3 convolution. The branches are merged on the
weights, in every training step too: that is the same function of the same parameters as running five
branches on the image (with the padding the paper uses, which makes them equal at the border as well), and
costs one convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SOBEL = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))
_LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


class EdgeBlock(nn.Module):
    """One edge-oriented block, c_in -> c_out: 3 x 3; 1 x 1 then 3 x 3; 1 x 1 then Sobel (two ways) and Laplacian."""

    masks: Tensor

    def __init__(self, c_in: int, c_out: int, widen: int = 2) -> None:
        super().__init__()
        self.plain = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.expand = nn.Conv2d(c_in, widen * c_out, 1)
        self.squeeze = nn.Conv2d(widen * c_out, c_out, 3)
        # No bias here: the taps of each mask sum to zero, so it could never reach the output.
        self.edges = nn.ModuleList(nn.Conv2d(c_in, c_out, 1, bias=False) for _ in range(3))
        self.edge_scale = nn.Parameter(torch.randn(3, c_out, 1, 1) * 1e-3)
        self.edge_bias = nn.Parameter(torch.randn(3, c_out) * 1e-3)
        sobel = torch.tensor(_SOBEL)
        self.register_buffer("masks", torch.stack([sobel, sobel.T, torch.tensor(_LAPLACIAN)]), persistent=False)

    def merged(self) -> tuple[Tensor, Tensor]:
        """Weight (c_out, c_in, 3, 3) and bias (c_out) of the one convolution that the branches sum to."""
        weight, bias = _tensors(self.plain)
        inner, inner_bias = _tensors(self.expand)
        outer, outer_bias = _tensors(self.squeeze)
        weight = weight + torch.einsum("omyx,mi->oiyx", outer, inner[:, :, 0, 0])
        bias = bias + outer_bias + torch.einsum("omyx,m->o", outer, inner_bias)
        for edge, scale, offset, mask in zip(self.edges, self.edge_scale, self.edge_bias, self.masks, strict=True):
            weight = weight + (scale * mask)[:, None] * edge.weight
            bias = bias + offset
        return weight, bias

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.merged()
        return F.conv2d(x, weight, bias, padding=1)

    def branches(self, x: Tensor) -> Tensor:
        """The same, branch by branch on the image, as the paper draws it: what ``forward`` is tested against."""
        out: Tensor = self.plain(x) + self.squeeze(_pad(self.expand, x))
        for edge, scale, offset, mask in zip(self.edges, self.edge_scale, self.edge_bias, self.masks, strict=True):
            spread = (scale * mask)[:, None]
            out = out + F.conv2d(_pad(edge, x), spread, offset, groups=len(offset))
        return out

    def fused(self) -> nn.Conv2d:
        """A plain convolution with the merged weights."""
        weight, bias = self.merged()
        plain = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, device=weight.device, dtype=weight.dtype)
        for tensor, value in zip(_tensors(plain), (weight, bias), strict=True):
            tensor.data.copy_(value.detach())
        return plain


def _tensors(conv: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that has both."""
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is not None
    return conv.weight, conv.bias


def _pad(conv: nn.Module, x: Tensor) -> Tensor:
    """A 1 x 1 convolution of the image with one more pixel of zeros on each side."""
    out: Tensor = conv(F.pad(x, (1, 1, 1, 1)))
    return out


class EdgeBlockNet(nn.Module):
    """block 1->D, PReLU, M x (block D->D, PReLU), block D->s*s, plus the input (nearest), pixel shuffle.

    Every block trains with its branches. ``fused()`` returns the same network with plain
    3 x 3 convolutions, equal within rounding, which is what is measured and exported.
    """

    def __init__(self, scale: int, d: int, m: int) -> None:
        super().__init__()
        self.scale = scale
        layers: list[nn.Module] = [EdgeBlock(1, d), nn.PReLU(d)]
        for _ in range(m):
            layers += [EdgeBlock(d, d), nn.PReLU(d)]
        self.net = nn.Sequential(*layers, EdgeBlock(d, scale**2))
        self.pixel_shuffle = nn.PixelShuffle(scale)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pixel_shuffle(self.net(x) + x)
        return out

    def fused(self) -> FusedEdgeBlockNet:
        """The deployed form of the network as it is now."""
        return FusedEdgeBlockNet(self).train(self.training)


class FusedEdgeBlockNet(nn.Module):
    """An ``EdgeBlockNet`` whose blocks have become convolutions."""

    def __init__(self, trained: EdgeBlockNet) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for layer in trained.net:
            if isinstance(layer, EdgeBlock):
                layers.append(layer.fused())
            elif isinstance(layer, nn.PReLU):
                slope = nn.PReLU(layer.weight.numel()).to(layer.weight)
                slope.load_state_dict(layer.state_dict())
                layers.append(slope)
        self.net = nn.Sequential(*layers)
        self.pixel_shuffle = nn.PixelShuffle(trained.scale)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pixel_shuffle(self.net(x) + x)
        return out
