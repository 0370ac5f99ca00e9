"""PyTorch as it is, operation by operation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workers.backends.core import Frame, Job, backend

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@backend("eager", precisions=tuple(DTYPES), computes=("cpu", "cuda"), in_torch=True)
def eager(job: Job) -> Frame:
    """The module, called."""
    module, x = placed(job)

    def frame() -> Tensor:
        with torch.inference_mode():
            out: Tensor = module(x)
        return out

    return frame


def placed(job: Job) -> tuple[nn.Module, Tensor]:
    """The job's module and input on its device, in its precision and memory format."""
    layout = torch.channels_last if job.channels_last else torch.contiguous_format
    where, dtype = torch.device(job.compute), DTYPES[job.precision]
    module = job.module.to(where, dtype).to(memory_format=layout).eval()  # type: ignore[call-overload]
    return module, job.input.to(where, dtype).contiguous(memory_format=layout)
