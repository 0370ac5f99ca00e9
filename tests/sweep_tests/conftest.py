"""A small folder of real photographs, cut small, so that a whole sweep takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workers.data.datasets import resolve

SWEEP = str(Path(sys.executable).parent / "sweep")
GRACE_S = 10.0
"""From a signal until all states are in the store and the command has ended: what schedulers give a job, and less."""


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """T91 and Set5 by name, made of crops of the embedded photographs."""
    root = tmp_path_factory.mktemp("data")
    for name, source in (("T91", "embedded-train"), ("Set5", "embedded-test")):
        (root / name).mkdir()
        for title, pixels in list(zip(*(lambda s: (s.names, s.pixels))(resolve(source)), strict=True))[:3]:
            crop = np.ascontiguousarray(pixels[100:196, 100:196])
            Image.fromarray(crop).save(root / name / f"{Path(title).stem}.png")
    return root


def command(*arguments: str, cwd: Path | None = None, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run ``sweep`` as a user would."""
    return subprocess.run(
        [SWEEP, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=timeout,
        env={**os.environ, "COLUMNS": "200"},
    )
