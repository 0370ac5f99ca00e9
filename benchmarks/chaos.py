"""A sweep on a real Ray cluster of three nodes in network namespaces, disturbed by seeded faults.

Five parts, three on SQLite (with a disk that fills up and clocks that jump) and two on PostgreSQL, each compared trial
by trial with an undisturbed run of the same sweep: each result once, with the same values. A trial that is tried again
trains alone, by other code than a pack of four, which may differ in the last bits of its weights: ``different`` counts
the trials with a value more than 0.002 dB off, ``other_bits`` those whose weights are not the same bit for bit.
Needs root and ``ip netns``.

    python benchmarks/chaos.py            # 150 faults over 3,000 trials; writes benchmarks/results/chaos.json
    python benchmarks/chaos.py --missing  # only the parts that the file does not have of this revision
    python benchmarks/chaos.py --part sqlite-1    # one part by itself (some ten minutes); the file keeps the others
    python benchmarks/chaos.py --quick    # a few faults over a few trials; prints
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

SQLITE = {
    "worker": 4,
    "raylet": 2,
    "head": 1,
    "driver": 3,
    "link": 2,
    "sleep": 2,
    "disk-full": 4,
    "database": 3,
    "clock": 3,
    "duplicate": 2,
    "late": 2,
}
POSTGRESQL = {
    "worker": 5,
    "raylet": 2,
    "head": 1,
    "driver": 3,
    "link": 3,
    "sleep": 2,
    "database": 7,
    "duplicate": 2,
    "late": 2,
}
MACHINES = {
    "drain": 3,
    "late-node": 3,
    "worker-disk": 3,
    "oom": 3,
    "stuck-start": 2,
    "gpu-error": 4,
    "black-hole": 3,
}
"""The kinds that hit machines."""
QUICK = {
    "worker": 6,
    "driver": 2,
    "disk-full": 6,
    "database": 8,
    "clock": 8,
    "duplicate": 8,
    "late": 7,
}
"""The kinds that are over in seconds, many of them."""
FEW = {"worker": 1, "link": 1, "driver": 1, "database": 1, "late": 1}
PACKAGES = ("torch", "ray", "sqlalchemy", "pgserver")


@dataclass(frozen=True)
class Part:
    """One sweep with its own seed of faults."""

    seed: int
    faults: dict[str, int]
    postgresql: bool = False
    pack_size: int = 4


PARTS = {
    "sqlite-1": Part(0, SQLITE),
    "postgresql-1": Part(1, POSTGRESQL, postgresql=True),
    "sqlite-2": Part(2, QUICK, pack_size=1),
    "sqlite-3": Part(3, MACHINES | {"vanished": 5}),
    "postgresql-2": Part(4, MACHINES | {"database": 3}, postgresql=True),
}


def script(counts: dict[str, int], seed: int) -> list[str]:
    """The faults in their seeded order."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    random.Random(seed).shuffle(kinds)
    return kinds


def summary(legs: list[dict[str, Any]]) -> dict[str, Any]:
    """The fields that others read."""
    events = [event for leg in legs for event in leg["events"]]
    by_kind: dict[str, Any] = {}
    for kind in sorted({event["kind"] for event in events}):
        some = [event["seconds"] for event in events if event["kind"] == kind]
        by_kind[kind] = {
            "faults": len(some),
            "median_seconds": round(statistics.median(some), 1),
            "worst_seconds": round(max(some), 1),
        }
    times = [event["seconds"] for event in events]
    return {
        "faults": sum(leg["faults"] for leg in legs),
        "trials": sum(leg["trials"] for leg in legs),
        "lost": sum(leg["lost"] for leg in legs),
        "duplicated": sum(leg["duplicated"] for leg in legs),
        "different": sum(leg["different"] for leg in legs),
        "other_bits": sum(leg["other_bits"] for leg in legs),
        "worst_difference_db": max(leg["worst_difference_db"] for leg in legs),
        "forged_accepted": sum(leg["forged"] for leg in legs),
        "recovery_seconds": {
            "median": round(statistics.median(times), 1) if times else None,
            "worst": max(times, default=None),
        },
        "unrecovered": sum(not event["recovered"] for event in events),
        "by_kind": by_kind,
        "drivers": sum(leg["drivers"] for leg in legs),
        "attempts": sum(leg["attempts"] for leg in legs),
        "seconds": round(sum(leg["seconds"] for leg in legs), 1),
        "stuck": [text for leg in legs for text in leg["stuck"]],
    }


def run(name: str, part: Part, trials: int, steps: int) -> dict[str, Any]:
    """The reckoning of one part, with what it ran on."""
    from benchmarks._record import git_revision
    from tests.chaos.data import make_data
    from tests.chaos.experiment import experiment
    from tests.chaos.wanted import Wanted

    date, git = dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), git_revision()
    with tempfile.TemporaryDirectory() as folder:
        wanted = Wanted(
            trials, script(part.faults, part.seed), part.seed, None, steps, make_data(Path(folder)), part.pack_size
        )
        outcome = _on_postgresql(wanted, Path(folder)) if part.postgresql else experiment(wanted)
    return {"part": name, "seed": part.seed, "pack_size": part.pack_size, "steps": steps, "date": date, "git": git} | (
        outcome.as_dict()
    )


def _on_postgresql(wanted: Any, folder: Path) -> Any:
    from dataclasses import replace

    import pgserver

    from tests.chaos.experiment import experiment

    server = pgserver.get_server(folder / "pg")
    server.psql("CREATE DATABASE chaos")
    url = server.get_uri("chaos").replace("postgresql://", "postgresql+psycopg://")
    try:
        return experiment(replace(wanted, url=url))
    finally:
        server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--part", choices=list(PARTS), action="append")
    parser.add_argument("--missing", action="store_true", help="go on where an earlier run of this revision stopped")
    parser.add_argument("--only", nargs="+", metavar="KIND", help="these kinds, one each, in a small sweep; prints")
    parser.add_argument("--postgresql", action="store_true", help="with --only")
    parser.add_argument("--trials", type=int, default=600, help="of each part at least")
    parser.add_argument("--steps", type=int, default=600)
    asked = parser.parse_args()

    from benchmarks._record import RESULTS, git_revision, record
    from tests.chaos.network import why_not

    reason = why_not()
    if reason:
        print(f"cannot be done here: {reason}")
        return
    if asked.quick:
        measurements = summary([run("quick", Part(0, FEW), 54, asked.steps)])
        print(measurements)
        if os.environ.get("EDGE_SWEEP_BENCH_OUT"):
            record("chaos", measurements, PACKAGES)
        return
    if asked.only:
        print(json.dumps(run("only", Part(0, dict.fromkeys(asked.only, 1), asked.postgresql), 54, asked.steps)))
        return
    file = RESULTS / "chaos.json"
    for name in asked.part or PARTS:
        before = json.loads(file.read_text())["parts"] if file.exists() else []
        if asked.missing and any((one["part"], one["git"]) == (name, git_revision()) for one in before):
            continue
        leg = run(name, PARTS[name], asked.trials, asked.steps)
        legs = sorted([*(one for one in before if one["part"] != name), leg], key=lambda one: one["seed"])
        print(summary([leg]))
        record("chaos", {**summary(legs), "parts": legs}, PACKAGES)


if __name__ == "__main__":
    main()
