"""Which runtimes take the exported files, and how far they are from torch.

python benchmarks/clients.py [--quick] [--client NAME=PYTHON]... [--web FOLDER]

Clients of this environment (onnxruntime, openvino, ncnn) are tried where they are installed. ``--client
onnxruntime=/old/bin/python`` and ``opencv=...`` add interpreters of other environments with numpy and that runtime,
``--web`` the folder of the npm package onnxruntime-web (run by node). int8 is compared with this environment's
onnxruntime. ``worst_difference`` is over all sizes that a client takes; ``refused_small`` counts images of a few pixels
that it refuses or answers in another size.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _record import record
from numpy.typing import NDArray

from search_space import parse_id
from workers.data.embedded import embedded
from workers.export.deployed_form import deployed
from workers.export.exporting import calibration_inputs, onnx_for

NETWORKS = (
    "Bicubic_s2", "Linear_s3_K5", "eSR-MAX_s2_K3_C1", "eSR-MAX_s3_K5_C4", "eSR-TM_s2_K3_C2", "eSR-TM_s2_K5_C4",
    "eSR-TM_s4_K3_C3", "eSR-TR_s2_K5_C4", "eSR-CNN_s2_C2_D3_S6", "ESPCN_s3_D6_S9", "ESPCN_s2_D0_S3",
    "FSRCNN_s2_D6_S3_M1", "FSRCNN_s4_D19_S6_M4", "ABPN_s2_D8_M2", "ECBSR_s3_D8_M2", "ESPCN-BR_s2_D6_S9",
)  # fmt: skip
SIZES = ((45, 61), (7, 5), (1, 1))
"""Of the pieces of a photograph that each network enlarges; the first decides whether a client takes it."""
Array = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--client", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--web", type=Path)
    options = parser.parse_args()
    names = NETWORKS[1::4] if options.quick else NETWORKS
    rows: list[dict[str, Any]] = []
    for precision in ("fp32", "fp16", "int8"):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            wanted = written(names, precision, folder)
            clients = [("onnxruntime", sys.executable)]
            clients += [("openvino", sys.executable)] if find_spec("openvino") else []
            clients += [tuple(one.split("=", 1)) for one in options.client]
            for client, python in clients:
                command = [python, str(Path(__file__).with_name("_client.py")), client, str(folder)]
                rows.append(judged(client, command, precision, wanted, folder, client))
                if precision == "int8" and python == sys.executable and client == "onnxruntime":
                    wanted = {name: np.load(folder / f"{name}.onnxruntime.npy") for name in wanted}
                for made in folder.glob(f"*.{client}.*"):
                    made.unlink()
            if options.web is not None:
                command = [
                    "node",
                    str(Path(__file__).with_name("_client.mjs")),
                    str(folder),
                    str(options.web.resolve()),
                ]
                rows.append(judged("onnxruntime-web", command, precision, wanted, folder, "web"))
        if precision == "fp32" and find_spec("ncnn") and find_spec("pnnx"):
            rows.append(ncnn(names))
    print(record("clients", {"rows": rows}, ("torch", "numpy", "onnx", "onnxruntime", "openvino", "ncnn", "pnnx")))


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return parse_id(name).build().eval()


def pieces(name: str) -> dict[str, Array]:
    """What a network enlarges, by its id and the size."""
    whole = calibration_inputs(parse_id(name), embedded("embedded-test"))[1]
    return {f"{name} {h}x{w}": np.ascontiguousarray(whole[..., 9 : 9 + h, 9 : 9 + w]) for h, w in SIZES}


def written(names: tuple[str, ...], precision: str, folder: Path) -> dict[str, Array]:
    """The files each client reads, and what torch gives."""
    wanted = {}
    for name in names:
        module = network(name)
        calibration = calibration_inputs(parse_id(name), embedded("embedded-train"))[:3] if precision == "int8" else []
        file = onnx_for(parse_id(name), deployed(module), precision, calibration)
        for key, x in pieces(name).items():
            (folder / f"{key}.onnx").write_bytes(file)
            np.save(folder / f"{key}.npy", x)
            (folder / f"{key}.raw").write_bytes(x.tobytes())
            (folder / f"{key}.shape").write_text(json.dumps(x.shape))
            with torch.inference_mode():
                wanted[key] = module(torch.from_numpy(x)).numpy()
    return wanted


def judged(
    client: str, command: list[str], precision: str, wanted: dict[str, Array], folder: Path, ending: str
) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{client} cannot be started: {done.stderr[-500:]}")
    worst, refused = 0.0, {}
    for name, want in wanted.items():
        raw, array, reason = (folder / f"{name}.{ending}.{kind}" for kind in ("raw", "npy", "txt"))
        if reason.is_file():
            refused[name] = reason.read_text()
            continue
        got = np.load(array) if array.is_file() else np.frombuffer(raw.read_bytes(), np.float32)
        if got.size != want.size:
            refused[name] = f"gives {got.shape}"
            continue
        worst = max(worst, float(np.abs(got.reshape(want.shape) - want).max()))
    return row(client, done.stdout.split()[-1], precision, len(wanted), worst, refused)


def ncnn(names: tuple[str, ...]) -> dict[str, Any]:
    from importlib.metadata import version

    from workers.export.ncnn_files import NcnnRunner, to_ncnn

    worst, refused, images = 0.0, {}, 0
    for name in names:
        module = network(name)
        files = to_ncnn(deployed(module))
        for key, x in pieces(name).items():
            images += 1
            with torch.inference_mode():
                want = module(torch.from_numpy(x)).numpy()
            try:
                got = NcnnRunner(*files)(x)
            except Exception as error:
                refused[key] = str(error).splitlines()[0][:300]
                continue
            if got.shape == want.shape:
                worst = max(worst, float(np.abs(got - want).max()))
            else:
                refused[key] = f"gives {got.shape}"
    return row("ncnn", version("ncnn"), "fp32", images, worst, refused)


def row(
    client: str, version: str, precision: str, images: int, worst: float, refused: dict[str, str]
) -> dict[str, Any]:
    networks = [key for key in refused if key.endswith(" {}x{}".format(*SIZES[0]))]
    out = {
        "client": client,
        "version": version,
        "precision": precision,
        "networks": images // len(SIZES),
        "worst_difference": worst if len(refused) < images else None,
        "refused": len(networks),
        "refused_small": len([key for key in refused if key not in networks]),
        "reasons": refused,
    }
    print(out, flush=True)
    return out


if __name__ == "__main__":
    main()
