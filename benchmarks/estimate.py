"""The time that ``sweep run`` gives before its start, beside the time that the same run then takes.

    python benchmarks/estimate.py                     # both cases; writes benchmarks/results/estimate.json
    python benchmarks/estimate.py --case demo         # one case; the file keeps the other
    python benchmarks/estimate.py --quick             # six configs of the demo, 200 steps; prints

``demo`` is ``sweep run --space demo --recipe demo``; ``paper-1500`` trains all 1185 configs for 1500 steps and takes
ten minutes on two quiet cores. Wants a machine that does nothing else: the prediction is made on it, too.
``actual_s`` is the driver's time from its first look for workers to the last result stored.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

CASES = {
    "demo": ["--space", "demo", "--recipe", "demo"],
    "paper-1500": ["--space", "paper", "--recipe", "demo", "--steps", "1500"],
}
QUICK = {"quick": ["--space", "demo", "--recipe", "demo", "--steps", "200", "--limit", "6"]}


def measure(case: str, options: list[str]) -> dict[str, Any]:
    """Predict, run, compare."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sweep.cli.main", "run", *options, "--db", f"{folder}/s.db", "--json"]
        predicted = _json([*command, "--dry-run"])
        actual = _json([*command, "--no-benchmark"])
    if actual["done"] != actual["planned"]:
        raise SystemExit(f"{case}: {actual['done']} of {actual['planned']} done")
    return {
        "case": case,
        "configs": actual["planned"],
        "workers": predicted["estimated_workers"],
        "predicted_s": predicted["estimated_seconds"],
        "actual_s": actual["seconds"],
        "ratio": round(actual["seconds"] / predicted["estimated_seconds"], 3),
        "load_before": round(os.getloadavg()[0], 1),
    }


def _json(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", choices=list(CASES), action="append")
    asked = parser.parse_args()

    from benchmarks._record import RESULTS, record

    for case, options in (QUICK if asked.quick else {name: CASES[name] for name in asked.case or CASES}).items():
        row = measure(case, options)
        print(row, flush=True)
        if asked.quick and not os.environ.get("EDGE_SWEEP_BENCH_OUT"):
            continue
        file = RESULTS / "estimate.json"
        before = json.loads(file.read_text())["rows"] if file.exists() else []
        record("estimate", {"rows": [*(one for one in before if one["case"] != case), row]})


if __name__ == "__main__":
    main()
