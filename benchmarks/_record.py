"""Write a measurement with all that is needed to believe it: command, machine, date, revision, versions."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

CODE = (":/", ":(top,exclude)benchmarks/results")
"""What decides a result, as Git's path patterns."""
RESULTS = Path(os.environ.get("EDGE_SWEEP_BENCH_OUT", Path(__file__).parent / "results"))
"""Where measurements go: the committed folder, or the one named by EDGE_SWEEP_BENCH_OUT (``make bench``)."""


def machine() -> dict[str, Any]:
    """CPU or GPU model, cores and memory of this machine."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    out: dict[str, Any] = {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform()}
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_available():
            out["gpu"] = torch.cuda.get_device_name(0)
    return out


def git_revision() -> str:
    """Short commit hash, with ``+`` when the tree has uncommitted changes; ``unknown`` outside a checkout.

    Results are no change: the second part of a benchmark is of the same code as the first, whose results it finds.
    """
    try:
        return _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "--", *CODE) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*line: str) -> str:
    return subprocess.run(["git", *line], capture_output=True, text=True, check=True).stdout.strip()


def versions(*packages: str) -> dict[str, str]:
    """Installed versions, with Python's own."""
    out = {"python": platform.python_version()}
    for package in packages:
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            out[package] = "not installed"
    return out


def origin() -> dict[str, str]:
    """By which command, when and from which revision something was measured."""
    return {
        "command": " ".join(["python", *sys.argv]),
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "git": git_revision(),
    }


def record(name: str, results: dict[str, Any], packages: tuple[str, ...] = ("torch", "ray", "numpy")) -> Path:
    """Write ``results/NAME.json`` and return its path."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    made = origin()
    document = {
        "command": made["command"],
        "machine": machine(),
        "date": made["date"],
        "git": made["git"],
        "versions": versions(*packages),
        **results,
    }
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path
