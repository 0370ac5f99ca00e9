"""PyTorch's own compiler (inductor)."""

from __future__ import annotations

import torch

from workers.backends.core import Frame, Job, backend
from workers.backends.torch_eager import DTYPES, placed


@backend("compile", precisions=tuple(DTYPES), computes=("cpu", "cuda"), in_torch=True)
def compiled(job: Job) -> Frame:
    """The module compiled for this one size; compilation happens in the first, untimed call."""
    module, x = placed(job)
    # Compiled code is kept per code object, which networks of a family share: without this, the ninth
    # network of a family would fall back to eager.
    torch._dynamo.reset()
    fast = torch.compile(module, fullgraph=True, dynamic=False)

    def frame() -> torch.Tensor:
        with torch.inference_mode():
            out: torch.Tensor = fast(x)
        return out

    frame()
    return frame
