"""Intel's OpenVINO on the CPU."""

from __future__ import annotations

from typing import Any

from search_space.errors import BadData
from workers.backends.core import Frame, Job, backend

HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}


@backend("openvino", tuple(HINTS), needs="openvino", extra="openvino")
def open_vino(job: Job) -> Frame:
    """The exported graph, compiled for this one size with latency in mind."""
    from dataclasses import replace

    import openvino

    from workers.backends.onnx_runtime import graph

    core = openvino.Core()
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if job.precision.upper() not in able:
        # The plugin would silently compute in float32, and the measurement would have a wrong name.
        raise BadData(f"this CPU has no {job.precision} arithmetic for OpenVINO (it has {', '.join(able)})")
    # The graph is read in float32; the plugin chooses half or bfloat16 arithmetic by the hint, where the CPU has it.
    data = graph(job if job.precision == "int8" else replace(job, precision="fp32"))
    model = core.read_model(data)
    model.reshape(list(job.input.shape))
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": job.threads,
        "INFERENCE_PRECISION_HINT": HINTS[job.precision],
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(job.input.numpy().copy()))

    def frame() -> Any:
        request.infer()
        return request.get_output_tensor().data

    return frame
