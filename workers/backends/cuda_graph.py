"""A CUDA graph: every kernel of a frame launched at once. Needs an NVIDIA GPU; not tested on one yet."""

from __future__ import annotations

import torch

from workers.backends.core import Frame, Job, backend
from workers.backends.torch_eager import DTYPES, placed


@backend("cudagraph", precisions=tuple(DTYPES), computes=("cuda",), in_torch=True)
def cuda_graph(job: Job) -> Frame:
    """Capture once, replay for each frame."""
    module, x = placed(job)
    side = torch.cuda.Stream(device=x.device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(x.device))
    # A few frames on a side stream first, as capture wants libraries initialised and algorithms chosen.
    with torch.inference_mode(), torch.cuda.stream(side):
        for _ in range(3):
            module(x)
    torch.cuda.current_stream(x.device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # On the side stream too: the stream that torch would choose belongs to the current device, not to x's.
    with torch.inference_mode(), torch.cuda.device(x.device), torch.cuda.graph(graph, stream=side):
        out: torch.Tensor = module(x)

    def frame() -> torch.Tensor:
        graph.replay()
        return out

    return frame
