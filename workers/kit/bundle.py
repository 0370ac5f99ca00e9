"""Pack networks and a runner into one file that a board can execute."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_space.errors import BadData
from workers.benchmark.protocols import SpeedProtocol
from workers.export.exporting import write
from workers.kit.archive import KIT_FORMAT, NAME

CARRIED = (
    "search_space/atomic.py",
    "search_space/errors.py",
    "workers/__init__.py",
    "workers/timing/__init__.py",
    "workers/timing/float32.py",
    "workers/timing/malloc.py",
    "workers/kit/__init__.py",
    "workers/kit/archive.py",
    "workers/kit/document.py",
    "workers/timing/process_memory.py",
    "workers/timing/statistics.py",
    "workers/timing/energy.py",
    "workers/timing/disturbance.py",
    "workers/timing/sensor_summary.py",
    "workers/timing/turns.py",
    *(
        f"workers/sensors/{name}.py"
        for name in ("__init__", "core", "cuda", "jetson", "nvml", "powercap", "processor", "raspberry", "sysfs")
    ),
)
"""Modules of ours that the runner imports; they import nothing but Python's own library."""


@dataclass(frozen=True)
class Model:
    """One ONNX file for the kit."""

    config: str
    scale: int
    precision: str
    onnx: bytes
    weights: str
    """``trained``, or ``starting`` when it is there for its speed alone."""

    @property
    def file(self) -> str:
        """Its name in the kit."""
        return f"models/{self.config}.{self.precision}.onnx"

    def entry(self) -> dict[str, Any]:
        """Its line in the manifest."""
        return {
            "config": self.config,
            "scale": self.scale,
            "precision": self.precision,
            "file": self.file,
            "sha256": hashlib.sha256(self.onnx).hexdigest(),
            "bytes": len(self.onnx),
            "weights": self.weights,
        }


def bundle(models: Sequence[Model], reference: Model, protocol: SpeedProtocol, out: Path) -> str:
    """Write the kit and return the SHA-256 of its manifest. Raises BadData without models or for a bad name."""
    if not models:
        raise BadData("a kit needs at least one model")
    for one in (*models, reference):
        if not NAME.fullmatch(one.file):
            raise BadData(f"{one.config!r} cannot be the name of a file in a kit")
    manifest = json.dumps(
        {
            "format": KIT_FORMAT,
            "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "protocol": {
                "name": protocol.name,
                "width": protocol.width,
                "height": protocol.height,
                "rounds": protocol.rounds,
                "frames": protocol.frames,
                "batch": protocol.batch,
                "warm_frames": protocol.warm_frames,
                "warm_seconds": protocol.warm_seconds,
            },
            "reference": reference.entry(),
            "models": [one.entry() for one in models],
        },
        indent=1,
    ).encode()
    root = Path(__file__).resolve().parents[2]
    buffer = io.BytesIO()
    # A line for the shell in front makes the archive a program: ./kit.zip works as well as python kit.zip.
    buffer.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__main__.py", (root / "workers/kit/board.py").read_bytes())
        # The package's own __init__ imports every architecture, which no board needs.
        archive.writestr("search_space/__init__.py", b"")
        for name in CARRIED:
            archive.writestr(name, (root / name).read_bytes())
        archive.writestr("manifest.json", manifest)
        for file, data in {one.file: one.onnx for one in (*models, reference)}.items():
            archive.writestr(file, data)
    write(buffer.getvalue(), out)
    return hashlib.sha256(manifest).hexdigest()
