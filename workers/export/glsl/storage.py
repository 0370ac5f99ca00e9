"""Whether half precision between passes is enough for a network."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from workers.export.glsl.following import follow
from workers.export.glsl.plan import Plan

ENOUGH = 0.6 / 1023
"""Half a level of 10 bits and a little: rounding the finished plane to half precision alone costs 0.25."""
SIDE = 96


def stored_as_needed(plan: Plan, module: nn.Module) -> Plan:
    """``plan``, with values between passes stored as two halves where one would show at 10 bits on photographs.

    Of the 297 released networks at hand ten would be off by more than a level (FSRCNN all, 2.4 levels at most).
    """
    if plan.one_layer:
        return plan
    with torch.inference_mode():
        for x in _photographs(plan.scale):
            want = module(x).clamp(0, 1)
            if float((follow(plan, x) - want).abs().max()) > ENOUGH:
                return replace(plan, fine=True)
    return plan


@cache
def _photographs(scale: int) -> tuple[Tensor, ...]:
    """The middle of each embedded test photograph, as the network sees it."""
    from workers.data.embedded import embedded
    from workers.quality.protocol import prepare

    out = []
    for pair in prepare(embedded("embedded-test"), scale):
        rows, columns = ((side - min(side, SIDE)) // 2 for side in pair.lr.shape[2:])
        out.append(pair.lr[..., rows : rows + SIDE, columns : columns + SIDE])
    return tuple(out)
