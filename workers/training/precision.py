"""The meaning of a recipe's ``precision``, for all engines.

``fp32``: all products in float32, TF32 off in cuBLAS and cuDNN alike, forward, backward and update. ``tf32``: TF32
on for the whole step. ``bf16``: the forward pass under autocast to bfloat16, and so its gradients; weights, loss and
update in float32 with TF32 off. A CPU has no TF32, and bfloat16 is slower there: it trains in ``fp32`` only, and
any other precision is refused, never ignored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from search_space.errors import SweepError

if TYPE_CHECKING:
    import torch


def check(precision: str, device: str | torch.device) -> None:
    """Refuse a precision that a device does not train in. Raises SweepError."""
    kind = kind_of(device)
    if precision != "fp32" and kind != "cuda":
        raise SweepError(
            f"a {kind} device trains in fp32 only, and the recipe asks for {precision}: train on a CUDA GPU, or set "
            'the recipe\'s precision to "fp32"'
        )


@contextlib.contextmanager
def applied(precision: str, device: str | torch.device) -> Iterator[None]:
    """Hold for whole training steps (forward, backward, update); the previous settings are restored.

    Raises SweepError for a precision that the device does not train in.
    """
    check(precision, device)
    import torch

    if kind_of(device) != "cuda":
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def forward(precision: str, device: str | torch.device) -> AbstractContextManager[None]:
    """Hold for the forward pass, inside ``applied``: autocast where the recipe says ``bf16``."""
    if precision != "bf16":
        return contextlib.nullcontext()
    import torch

    return torch.autocast(kind_of(device), torch.bfloat16)


def kind_of(device: str | torch.device) -> str:
    """``cpu`` or ``cuda``, without the number."""
    return str(device).split(":")[0]
