"""What stops cost: training steps taken twice, counted step by step in the workers, and what checkpoints cost.

``stops``: 108 one-layer configs of the paper's space on a Ray cluster of two nodes with one worker each (network
namespaces; needs root and ``ip netns``). In a seeded order driver, workers and a node's raylet are killed with -9, the
driver gets Ctrl-C and SIGTERM, and a node is drained: told, as by a spot notice, that it leaves in five seconds.
Every worker counts the steps that it takes (``step_counter/sitecustomize.py``). At the end the weights are compared, by
SHA-256, with those of the same sweep without a stop. No worker is killed whose trials lost one before: from the second
loss on a trial trains alone and by the reference, whose last bits differ (``benchmarks/chaos.py`` counts such trials).

The sweep is scaled down in time, the stops are not: packs of a minute instead of an hour, a checkpoint every second
instead of every 60 s (about the same share of a pack), and forty stops in one sweep. The driver's way of asking
(twice a second) is not scaled, which makes a lost second weigh more than it would in a sweep of hours.

``cost``: the CPU time of one pack with and without checkpoints, alternating. The actor's code runs in this process and
every state is pickled and written to an SQLite store, so that the cost of worker, way and driver is counted together.
It is measured with a state every second, where it can be told from noise, and given for one every 60 s.

``growth``: a store with the states of all 1185 trials at once, replaced a hundred times.

    python benchmarks/resume_loss.py                  # all parts; writes benchmarks/results/resume_loss.json
    python benchmarks/resume_loss.py --part growth    # one part; the file keeps the others
    python benchmarks/resume_loss.py --quick          # four stops, one pair, three rounds; prints
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

SCRIPT = {"driver": 7, "worker": 7, "raylet": 6, "ctrl-c": 8, "sigterm": 7, "drain": 7}
QUICK = {"driver": 1, "worker": 1, "sigterm": 1, "drain": 1}
CHECKPOINT_EVERY_S = 1.0
SPACE = ("--space", "paper", "--where", "K==3 and C<=12")
CONFIGS = 108
PACKAGES = ("torch", "ray", "sqlalchemy", "numpy", "pgserver")


def script(counts: dict[str, int], seed: int) -> list[str]:
    """The stops in their seeded order."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    random.Random(seed).shuffle(kinds)
    return kinds


def measure_stops(counts: dict[str, int], steps: int, seed: int, keep: Path | None) -> dict[str, Any]:
    """The experiment, and what is to be said of it."""
    from benchmarks._stops import Experiment, cluster
    from tests.chaos.data import make_data
    from tests.chaos.wanted import snapshot

    with tempfile.TemporaryDirectory(prefix="stops-") as name:
        folder = keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        data = make_data(folder / "data")
        code = snapshot(folder / "code")
        how = ["--no-benchmark", "--pack-size", "4", "--max-attempts", "100", "--json"]
        how += ["--checkpoint-every", str(CHECKPOINT_EVERY_S)]
        recipe = ["--recipe", "smoke", "--steps", str(steps), "--data-root", str(data)]
        calm_options = ["run", *SPACE, *recipe, "--name", "stops", "--no-benchmark", "--json", "--executor", "inline"]
        with (folder / "calm.log").open("wb") as log:
            calm = subprocess.Popen(
                [
                    "nice",
                    "-n",
                    "5",
                    sys.executable,
                    "-m",
                    "sweep.cli.main",
                    *calm_options,
                    "--db",
                    f"sqlite:///{folder / 'calm.db'}",
                ],
                cwd=code,
                env={**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
            )
        began = time.monotonic()
        try:
            with cluster(folder) as nodes:
                run = ["run", *SPACE, *recipe, "--name", "stops", *how]
                experiment = Experiment(folder, nodes, run, how, random.Random(seed))
                experiment.run(script(counts, seed), say=lambda text: print(text, flush=True))
            seconds = time.monotonic() - began
            if calm.wait():
                raise SystemExit((folder / "calm.log").read_text()[-2000:])
        finally:
            if calm.poll() is None:
                calm.kill()
        return reckon(experiment, folder, steps) | {"seconds": round(seconds), "steps": steps}


def reckon(experiment: Any, folder: Path, steps: int) -> dict[str, Any]:
    """Steps taken, steps taken twice and by which stop, weights beside those of the undisturbed sweep."""
    from benchmarks import _step_counts
    from benchmarks._stops import CLEAN

    packs = _step_counts.read(folder / "counts")
    stops = experiment.stops
    unexplained = 0
    for one in _step_counts.repeated(packs):
        place = _step_counts.stop_of(one.at, [stop.at for stop in stops])
        if place is None:
            unexplained += one.steps
            continue
        stops[place].steps_repeated += one.steps
        stops[place].worst_seconds_repeated = max(stops[place].worst_seconds_repeated, round(one.seconds, 2))
    wanted, found = _weights(folder / "calm.db"), _weights(folder / "stopped.db")
    planned, trained = steps * CONFIGS, sum(pack.taken * len(pack.trials) for pack in packs)
    by_kind = {}
    for kind in sorted({stop.kind for stop in stops}):
        some = [stop for stop in stops if stop.kind == kind]
        exits = [stop.exit_s for stop in some if stop.exit_s is not None]
        by_kind[kind] = {
            "stops": len(some),
            "steps_repeated": sum(stop.steps_repeated for stop in some),
            "worst_seconds_repeated": max(stop.worst_seconds_repeated for stop in some),
            "median_seconds_until_training": statistics.median(stop.training_s for stop in some),
            "worst_exit_seconds": max(exits, default=None),
        }
    return {
        "stops": len(stops),
        "configs": CONFIGS,
        "steps_planned": planned,
        "steps_trained": trained,
        "share_repeated": round((trained - planned) / planned, 5),
        "clean_stop_steps_repeated": sum(stop.steps_repeated for stop in stops if stop.kind in CLEAN),
        "worst_seconds_repeated": max((stop.worst_seconds_repeated for stop in stops), default=0.0),
        "different": sum(found.get(config) != digest for config, digest in wanted.items()),
        "lost": len(set(wanted) - set(found)),
        "by_kind": by_kind,
        "steps_repeated_without_a_stop": unexplained,
        "drivers_that_ended_by_themselves": experiment.unexpected,
        "checkpoint_every_s": CHECKPOINT_EVERY_S,
        "packs_begun": len(packs),
        "each": [vars(stop) for stop in stops],
    }


def _weights(database: Path) -> dict[str, str]:
    """SHA-256 of the weights by config."""
    from sqlalchemy import select

    from results_db.schema import artifact, trial
    from results_db.store import Store

    query = select(trial.c.config, artifact.c.sha256).join(artifact, artifact.c.trial_id == trial.c.id)
    with Store.open(f"sqlite:///{database}", readonly=True) as store:
        return dict(store.database.read(lambda c: c.execute(query).all()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--part", choices=("stops", "cost", "growth"), action="append")
    parser.add_argument("--steps", type=int, default=30_000, help="of each trial of the stopped sweep")
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a new folder for databases, step counts and the driver's log")
    asked = parser.parse_args()

    from benchmarks import _checkpoint_load
    from benchmarks._record import RESULTS, origin, record

    for part in asked.part or ("stops", "cost", "growth"):
        if part == "stops":
            from tests.chaos.network import why_not

            if reason := why_not():
                print(f"stops cannot be measured here: {reason}")
                continue
            steps = min(asked.steps, 3000) if asked.quick else asked.steps
            figures = measure_stops(QUICK if asked.quick else SCRIPT, steps, asked.seed, asked.keep)
        elif part == "cost":
            figures = _checkpoint_load.cost(1 if asked.quick else asked.pairs, 300 if asked.quick else 800)
        else:
            figures = {"growth": _checkpoint_load.growth((1, 3) if asked.quick else (1, 10, 100))}
        print(json.dumps({name: value for name, value in figures.items() if name != "each"}, indent=1), flush=True)
        if not asked.quick or os.environ.get("EDGE_SWEEP_BENCH_OUT"):
            file = RESULTS / "resume_loss.json"
            before = json.loads(file.read_text()) if file.exists() else {}
            kept = {k: v for k, v in before.items() if k not in ("command", "machine", "date", "git", "versions")}
            parts = kept.get("parts", {}) | {part: origin()}
            record("resume_loss", kept | figures | {"parts": parts}, PACKAGES)


if __name__ == "__main__":
    main()
