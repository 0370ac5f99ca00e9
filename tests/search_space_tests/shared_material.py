"""Where the development material lies: published ids and released weights, absent from a plain checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("EDGE_SWEEP_SHARED", Path(__file__).parents[3] / "shared"))


def published(name: str) -> Path:
    """A path under published/, or the test is skipped with the reason."""
    return shared(f"published/{name}")


def shared(name: str) -> Path:
    """A path in the development material, or the test is skipped with the reason."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there (development material; set EDGE_SWEEP_SHARED)")
    return path
