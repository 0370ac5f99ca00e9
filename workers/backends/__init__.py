"""Ways to run a network on this machine: eager, compile, cudagraph, onnxruntime, openvino, ncnn, vulkan. One file each.

``core`` holds the interface and the registry; a backend is a function of a few lines.
"""

from workers.backends.core import Backend, Frame, Job, backend, backends, find

__all__ = ["Backend", "Frame", "Job", "backend", "backends", "find"]
