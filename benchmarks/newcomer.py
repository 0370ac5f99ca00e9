"""How long someone with no data waits: the commands that README shows first, on the repository's zoo, each as typed.

    python benchmarks/newcomer.py [--zoo DIR]      # writes benchmarks/results/newcomer.json

Each command is a process of its own, in an empty folder; seconds are wall-clock, imports and reading from disk
included, on this machine as it is (``neighbours`` says how much of it others used). ``export`` is the command that
``sweep best`` prints, as printed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _bench import Neighbours
from _record import record
from PIL import Image

from workers.data.embedded import embedded

ROOT = Path(__file__).parent.parent
SWEEP = Path(sys.executable).parent / "sweep"


def timed(folder: Path, command: str) -> tuple[float, str]:
    """Wall-clock seconds of a ``sweep`` command in ``folder``, and what it prints."""
    began = time.perf_counter()
    words = [str(SWEEP), *shlex.split(command)[1:]]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"newcomer: {command}: {done.stderr}")
    return time.perf_counter() - began, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", type=Path, default=ROOT / "zoo")
    parser.add_argument("--quick", action="store_true", help="the same: it takes less than a minute")
    asked = parser.parse_args()
    neighbours, seconds = Neighbours(), {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        Image.fromarray(embedded("embedded-test").pixels[1]).save(folder / "photo.png")
        seconds["import"], _ = timed(folder, f"sweep zoo import {shlex.quote(str(asked.zoo.resolve()))} --db zoo.db")
        seconds["best"], text = timed(folder, "sweep best --db zoo.db --scale 2 --min-fps 60 --json")
        found = json.loads(text)
        model = found["pick"]
        seconds["upscale"], _ = timed(folder, f"sweep upscale photo.png --db zoo.db --model {model} -o out")
        seconds["export"], _ = timed(folder, found["export"])
        made = {path.name: path.stat().st_size for path in [*(folder / "out").iterdir(), *folder.glob("*.onnx")]}
    rounded = {name: round(took, 1) for name, took in seconds.items()}
    measurements = {
        "seconds": rounded,
        "until_the_photo_is_large": round(sum(seconds.values()) - seconds["export"], 1),
        "all": round(sum(seconds.values()), 1),
        "pick": model,
        "export_command": found["export"],
        "made": made,
        "neighbours": neighbours.facts(),
    }
    print(record("newcomer", measurements, ("torch", "onnx")), rounded)


if __name__ == "__main__":
    main()
