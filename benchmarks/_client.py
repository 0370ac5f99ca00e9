"""Run ONNX files in one runtime of this interpreter: python _client.py onnxruntime|opencv|openvino FOLDER.

Needs numpy and the runtime only, as it is started by interpreters of other environments. For each ``NAME.onnx`` and
``NAME.npy`` in the folder it writes ``NAME.CLIENT.npy``, or the reason why not as ``NAME.CLIENT.txt``. The version is
printed.
"""

import sys
from pathlib import Path

import numpy as np


def onnxruntime(model, x):  # type: ignore[no-untyped-def]
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def opencv(model, x):  # type: ignore[no-untyped-def]
    import cv2

    cv2.setNumThreads(1)
    network = cv2.dnn.readNetFromONNX(str(model))
    network.setInput(x)
    return network.forward()


def openvino(model, x):  # type: ignore[no-untyped-def]
    import openvino

    return openvino.compile_model(str(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(x)[0]


def main() -> None:
    client, folder = sys.argv[1], Path(sys.argv[2])
    for model in sorted(folder.glob("*.onnx")):
        x = np.load(model.with_suffix(".npy"))
        try:
            np.save(model.with_suffix(f".{client}.npy"), globals()[client](model, x))
        except Exception as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            model.with_suffix(f".{client}.txt").write_text(lines[0][:300])
    module = {"opencv": "cv2"}.get(client, client)
    print(__import__(module).__version__)


if __name__ == "__main__":
    main()
