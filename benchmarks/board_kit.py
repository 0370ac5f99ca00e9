"""A kit on a board without our packages: measure, stop, resume, import. What happened, not how fast it was.

    python benchmarks/board_kit.py [--quick] [--emulated]

The board is a fresh virtual environment with numpy and onnxruntime from the package index, and nothing else. With
``--emulated`` a second one: the command in ``EDGE_SWEEP_BOARD_PYTHON``, an interpreter of another architecture, such
as ``env PYTHONPATH=SITE qemu-aarch64-static -L ROOT ROOT/usr/bin/python3.11`` (ROOT: Debian's arm64 python3.11 and
what it needs, unpacked; SITE: arm64 wheels of numpy and onnxruntime, unpacked).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import replace
from pathlib import Path
from typing import Any

from _record import record

from results_db.store import Store
from search_space import parse_id
from workers.benchmark import QHD5
from workers.benchmark.subject import build
from workers.data.embedded import embedded
from workers.export.exporting import calibration_inputs, onnx_for
from workers.kit.bundle import Model, bundle
from workers.kit.receive import read_results

CONFIGS = (
    "Bicubic_s2", "eSR-MAX_s2_K3_C4", "eSR-TM_s2_K5_C4", "eSR-TR_s3_K3_C4",
    "eSR-CNN_s2_C4_D5_S9", "ESPCN_s4_D4_S12", "FSRCNN_s3_D6_S3_M1",
)  # fmt: skip
SMALL = replace(QHD5, name="240x240x2", width=240, height=240, rounds=2, warm_frames=3, warm_seconds=0.5)
"""Small frames: an emulator takes a hundred times as long, and speed is not the question here."""
PROBE = (
    "import importlib.util as u; print([n for n in ('torch', 'psutil', 'workers', 'search_space') if u.find_spec(n)])"
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--emulated", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kit = Path(folder) / "kit.zip"
        pack(kit, CONFIGS[:2] if args.quick else CONFIGS)
        python = fresh_environment(Path(folder) / "venv")
        if python is None:
            print("skipped: no package index to install numpy and onnxruntime from")
            return
        rows = [board("fresh virtual environment", [str(python)], kit, Path(folder))]
        if args.emulated:
            command = shlex.split(os.environ["EDGE_SWEEP_BOARD_PYTHON"])
            rows.append(board("emulated", command, kit, Path(folder)))
        size = kit.stat().st_size
    measurements = {"models": rows[0]["models"], "kit_bytes": size, "output": [SMALL.width, SMALL.height], "rows": rows}
    if not args.quick:
        print(record("board_kit", measurements, ("numpy", "onnxruntime")))
    print(json.dumps(rows, indent=1))


def pack(kit: Path, names: tuple[str, ...]) -> None:
    """Each config in fp32 and int8, with starting weights."""
    models = []
    for config in map(parse_id, names):
        images = calibration_inputs(config, embedded("embedded-train"))[:1]
        for precision in ("fp32", "int8"):
            data = onnx_for(config, build(config), precision, images if precision == "int8" else [])
            models.append(Model(config.id, config.scale, precision, data, "starting"))
    bundle(models, models[0], SMALL, kit)


def fresh_environment(folder: Path) -> Path | None:
    """A Python with numpy and onnxruntime, or None where none can be had."""
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", "numpy", "onnxruntime"], capture_output=True, timeout=600
    )
    return python if done.returncode == 0 else None


def board(name: str, python: list[str], kit: Path, folder: Path) -> dict[str, Any]:
    """Half of the kit, then the rest, then the import: what the board is and what came back."""
    start, out = time.perf_counter(), folder / f"{name.split()[0]}.json"
    found = call([*python, "-c", PROBE], folder)
    half = call([*python, str(kit), "--out", str(out), "--device", "board", "--limit", "2"], folder)
    first = json.loads(out.read_text())["results"]
    rest = call([*python, str(kit), "--out", str(out), "--device", "board"], folder)
    document = json.loads(out.read_text())
    speeds = read_results(out, kit=kit).speeds
    with Store.open(str(folder / f"{out.stem}.db")) as store:
        added = store.add_speeds(speeds)
    return {
        "board": name,
        "system": document["machine"]["system"],
        "machine": document["machine"]["machine"],
        "versions": document["versions"],
        "importable_of_ours_or_torch": found.strip(),
        "models": len(speeds),
        "first_call": half.splitlines()[0],
        "second_call": rest.splitlines()[0],
        "first_results_kept": document["results"][: len(first)] == first,
        "imported": added.new,
        "seconds": round(time.perf_counter() - start, 1),
    }


def call(command: list[str], folder: Path) -> str:
    """Standard output of a command in an empty place, without our packages; ends the benchmark when it fails."""
    ours = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, timeout=1200)
    if done.returncode:
        sys.exit(f"{command[-1]}: {done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
