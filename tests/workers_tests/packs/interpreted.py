"""Triton and the kernels loaded so that Triton interprets them on the CPU (it decides when a function is defined)."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.metadata import version

import pytest

REASON = "Triton is not installed (pip install 'edge-sweep[gpu-dev]')"


def load_interpreted() -> None:
    """Import the kernels under TRITON_INTERPRET=1, which stays set in this process. Skips without Triton."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip(REASON, allow_module_level=True)
    if tuple(map(int, version("triton").split(".")[:2])) < (3, 9):
        pytest.skip("before 3.9 Triton's interpreter does not work with numpy 2.4", allow_module_level=True)
    os.environ["TRITON_INTERPRET"] = "1"
    import triton.language as tl

    if type(tl.sum).__name__ != "InterpretedFunction":  # something imported Triton before, to compile
        for name in [n for n in sys.modules if n.split(".")[0] == "triton" or n.startswith("workers.packs.kernels")]:
            del sys.modules[name]
    from workers.packs.kernels import conv_kernels

    assert type(conv_kernels.conv_forward).__name__ == "InterpretedFunction"
