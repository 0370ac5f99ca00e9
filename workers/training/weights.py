"""Weights as bytes: safetensors out; what reads them is ``search_space.weights``, for all packages."""

from __future__ import annotations

from safetensors.torch import save
from torch import nn

from search_space.weights import MAX_BYTES, SUFFIXES, compare, load, read_state

__all__ = ["MAX_BYTES", "SUFFIXES", "compare", "load", "read_state", "to_bytes"]


def to_bytes(module: nn.Module) -> bytes:
    """The module's state as safetensors bytes, on the CPU, in the module's own precision."""
    return save({k: v.detach().cpu().contiguous().clone() for k, v in module.state_dict().items()})
