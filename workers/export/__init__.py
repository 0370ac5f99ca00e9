"""From trained weights to a file that a device can run: ONNX, TorchScript, PT2, safetensors.

``export(config, module, "onnx", images)`` returns checked bytes with the metadata inside.
"""

from workers.export.check import Check, onnx_runner
from workers.export.exporting import PRECISIONS, Exported, export, write
from workers.export.graphs import FORMATS, to_onnx
from workers.export.metadata import Metadata

__all__ = ["FORMATS", "PRECISIONS", "Check", "Exported", "Metadata", "export", "onnx_runner", "to_onnx", "write"]
