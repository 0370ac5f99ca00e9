"""A sweep on a real Ray cluster of three nodes in network namespaces, disturbed by seeded faults.

Two legs, one on SQLite (with a disk that fills up), one on PostgreSQL; both are compared trial by trial with an
undisturbed run of the same sweep: same figures, same weights, each once. Needs root and ``ip netns``.

    python benchmarks/chaos.py            # >= 100 faults over >= 1000 trials; writes benchmarks/results/chaos.json
    python benchmarks/chaos.py --quick    # a few faults over a few trials; prints
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

SQLITE = {
    "worker": 10,
    "raylet": 4,
    "head": 2,
    "driver": 5,
    "link": 5,
    "sleep": 4,
    "disk-full": 5,
    "database": 5,
    "clock": 6,
    "duplicate": 5,
    "late": 5,
}
POSTGRESQL = {
    "worker": 10,
    "raylet": 4,
    "head": 2,
    "driver": 5,
    "link": 5,
    "sleep": 4,
    "database": 10,
    "duplicate": 5,
    "late": 5,
}


def script(counts: dict[str, int], seed: int) -> list[str]:
    """The faults in their seeded order."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    random.Random(seed).shuffle(kinds)
    return kinds


def counts(usual: dict[str, int], each: int | None) -> dict[str, int]:
    """The usual counts, or ``each`` of every kind."""
    return usual if each is None else dict.fromkeys(usual, each)


def summary(legs: list[Any]) -> dict[str, Any]:
    """The fields that others read."""
    events = [event for leg in legs for event in leg.events]
    by_kind: dict[str, Any] = {}
    for kind in sorted({event.kind for event in events}):
        some = [event.seconds for event in events if event.kind == kind]
        by_kind[kind] = {
            "faults": len(some),
            "median_seconds": round(statistics.median(some), 1),
            "worst_seconds": round(max(some), 1),
        }
    times = [event.seconds for event in events]
    return {
        "faults": sum(leg.faults for leg in legs),
        "trials": sum(leg.trials for leg in legs),
        "lost": sum(leg.lost for leg in legs),
        "duplicated": sum(leg.duplicated for leg in legs),
        "different": sum(leg.different for leg in legs),
        "worst_difference_db": max(leg.worst_difference_db for leg in legs),
        "forged_accepted": sum(leg.forged for leg in legs),
        "recovery_seconds": {
            "median": round(statistics.median(times), 1) if times else None,
            "worst": max(times, default=None),
        },
        "unrecovered": sum(not event.recovered for event in events),
        "by_kind": by_kind,
        "drivers": sum(leg.drivers for leg in legs),
        "attempts": sum(leg.attempts for leg in legs),
        "seconds": round(sum(leg.seconds for leg in legs), 1),
        "stuck": [text for leg in legs for text in leg.stuck],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=513, help="of each leg")
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--each", type=int, help="so many faults of each kind instead of the usual counts")
    asked = parser.parse_args()

    from benchmarks._record import record
    from tests.chaos.data import make_data
    from tests.chaos.experiment import Wanted, experiment
    from tests.chaos.network import why_not

    reason = why_not()
    if reason:
        print(f"cannot be done here: {reason}")
        return
    few = {"worker": 1, "link": 1, "driver": 1, "database": 1, "late": 1}
    legs = []
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(Path(folder))
        trials = 54 if asked.quick else asked.trials
        if asked.only != "postgresql":
            faults = script(few if asked.quick else counts(SQLITE, asked.each), asked.seed)
            legs.append(experiment(Wanted(trials, faults, asked.seed, None, asked.steps, data)))
        if not asked.quick and asked.only != "sqlite":
            import pgserver

            server = pgserver.get_server(Path(folder) / "pg")
            server.psql("CREATE DATABASE chaos")
            url = server.get_uri("chaos").replace("postgresql://", "postgresql+psycopg://")
            faults = script(counts(POSTGRESQL, asked.each), asked.seed + 1)
            legs.append(experiment(Wanted(trials, faults, asked.seed + 1, url, asked.steps, data)))
            server.cleanup()
    figures = summary(legs)
    print(figures)
    if not (asked.quick or asked.only or asked.each) or os.environ.get("EDGE_SWEEP_BENCH_OUT"):
        record(
            "chaos", {**figures, "legs": [leg.as_dict() for leg in legs]}, ("torch", "ray", "sqlalchemy", "pgserver")
        )


if __name__ == "__main__":
    main()
