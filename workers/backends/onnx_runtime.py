"""ONNX Runtime on the CPU, and with its CUDA and TensorRT providers where they are (those are not tested here)."""

from __future__ import annotations

from typing import Any

from search_space import parse_id
from search_space.errors import BadData
from workers.backends.core import Frame, Job, backend
from workers.timing.float32 import exact_options, tensorrt_tf32, why_not_float32


@backend("onnxruntime", ("fp32", "fp16", "int8"), ("cpu", "cuda"), needs="onnxruntime", extra="onnx")
def onnx_runtime(job: Job) -> Frame:
    """The exported graph in a session of its own."""
    return _session(job, "CUDAExecutionProvider" if job.compute.startswith("cuda") else "CPUExecutionProvider")


def _about_tensorrt() -> dict[str, Any]:
    """What lies below float32 in layers that TensorRT leaves in it, whatever the precision."""
    return {"tensorrt_tf32": tensorrt_tf32()}


@backend("tensorrt", ("fp32", "fp16", "int8"), ("cuda",), needs="onnxruntime", extra="onnx", about=_about_tensorrt)
def tensorrt(job: Job) -> Frame:
    """ONNX Runtime's TensorRT provider; the engine is built in the first, untimed call. Refuses fp32 that is TF32."""
    return _session(job, "TensorrtExecutionProvider", {"trt_fp16_enable": job.precision == "fp16"})


def graph(job: Job) -> bytes:
    """The job's network as ONNX."""
    from workers.export.exporting import onnx_for

    # Ranges for int8 come from the frame itself: speed does not depend on them.
    return onnx_for(parse_id(job.name), job.module, job.precision, [job.input.numpy()[:1, :, :128, :128]])


def _session(job: Job, provider: str, settings: dict[str, Any] | None = None) -> Frame:
    import onnxruntime

    if provider not in onnxruntime.get_available_providers():
        raise BadData(f"this onnxruntime has no {provider} (it has {', '.join(onnxruntime.get_available_providers())})")
    if reason := why_not_float32(provider, job.precision):
        raise BadData(reason)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Without spinning, idle threads of one session do not take CPU from the next config.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    where, number = ("cuda", int(job.compute.partition(":")[2] or 0)) if "cuda" in job.compute else ("cpu", 0)
    chosen = {**exact_options(provider), **(settings or {}), **({"device_id": number} if where == "cuda" else {})}
    session = onnxruntime.InferenceSession(graph(job), options, providers=[(provider, chosen)])
    if session.get_providers()[0] != provider:
        raise BadData(f"onnxruntime fell back from {provider} to {session.get_providers()[0]}")
    binding = session.io_binding()
    value = onnxruntime.OrtValue.ortvalue_from_numpy(job.input.numpy(), where, number)
    binding.bind_ortvalue_input("x", value)
    binding.bind_output("y", where, number)

    def frame() -> Any:
        session.run_with_iobinding(binding)
        return binding.get_outputs()[0]

    return frame
