"""What the sweep itself costs: 1185 trials that train nothing, a resume's plan, the frontier, the help text.

A no-op trial goes the way of every trial (planned, claimed under a lease, sent to a Ray actor, its module built and
its weights sent back as bytes, recorded) with zero training steps and no test set. ``noop_seconds`` is one Ray task a
trial with Ray's start and stop in it; ``noop_packed_seconds`` lets the planner pack them as a real sweep does;
``noop_tune_seconds`` is the same through Ray Tune (``reuse_actors``), one Tune trial a slot.

    python benchmarks/orchestration.py            # writes benchmarks/results/orchestration.json
    python benchmarks/orchestration.py --quick    # 60 trials, 100,000 points
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))


def noop(trials: int, pack_size: int, executor: str) -> dict[str, float]:
    """Seconds of a whole no-op sweep in a fresh process, from planning to the last result in the store."""
    with tempfile.TemporaryDirectory() as folder:
        asked = [sys.executable, __file__, "--one", executor, str(trials), str(pack_size), f"{folder}/s.db"]
        began = time.perf_counter()
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(done.stderr)
    return {**json.loads(done.stdout.splitlines()[-1]), "process_s": round(seconds, 2)}


def one(executor: str, trials: int, pack_size: int, url: str) -> dict[str, float]:
    """The body of ``noop``: plan, run, count."""
    began = time.perf_counter()
    import numpy as np

    from results_db.store import Store
    from search_space.spaces import load_space
    from sweep.executors import by_name, cluster
    from sweep.planning import stored_plan
    from sweep.planning.data import Data
    from sweep.running.driver import Driver, DriverSettings
    from workers.data.image_set import ImageSet
    from workers.training.recipe import recipe_for

    imported = time.perf_counter()
    image = np.random.default_rng(0).integers(0, 256, (96, 96), np.uint8)
    data = Data(ImageSet("noise", ("noise.png",), (image,)), ())
    recipe = recipe_for("smoke").with_changes(name="noop", steps=0, batch=1, patch=8)
    configs = load_space("paper").configs[:trials]
    plan = stored_plan.make_plan("paper", configs, recipe, data, root=None, pack_size=pack_size)
    with Store.open(url) as store:
        sweep = stored_plan.open_plan(store, plan, data)
        planned = time.perf_counter()
        workers = by_name.make_executor(executor, by_name.worker_data(data), "local", by_name.Workers(gpus=0.0))
        started = time.perf_counter()
        report = Driver(sweep, workers, DriverSettings(pack_size=pack_size)).run()
        ran = time.perf_counter()
        cluster.disconnect()
        counts = sweep.counts()
    if counts.done != trials or report.failed:
        raise SystemExit(f"{counts.done} of {trials} done, {report.failed} failed")
    return {
        "import_s": round(imported - began, 2),
        "plan_s": round(planned - imported, 2),
        "ray_start_s": round(started - planned, 2),
        "run_s": round(ran - started, 2),
        "total_s": round(time.perf_counter() - began, 2),
    }


def resume_plan(done: int, repeats: int = 5) -> float:
    """Median seconds to find what is missing of 1185 with ``done`` done, and to pack it."""
    from results_db.records import Claim
    from results_db.store import Store
    from search_space.facts import Done, TrialKey
    from search_space.spaces import load_space
    from sweep.planning.packs import Item, packs, trial_keys

    keys: tuple[TrialKey, ...] = trial_keys(load_space("paper").configs, (0,), "recipe", "data", lambda config: "code")
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        with Store.open(f"{folder}/s.db") as store:
            sweep_id = store.create_sweep("paper", "paper", "{}")
            store.plan(sweep_id, keys)
            ids = [row.id for row in store.missing(sweep_id)][:done]
            claims: list[Claim] = store.claim(ids, "someone", 3600)
            store.record([Done(c.trial, c.attempt, (), (), 1.0, 1, "node") for c in claims])
        for _ in range(repeats):
            began = time.perf_counter()
            with Store.open(f"{folder}/s.db") as store:
                store.plan(sweep_id, keys)
                rows = store.missing(sweep_id)
                made = packs([Item(row.id, row.key) for row in rows], 48, 2)
            times.append(time.perf_counter() - began)
            assert sum(len(pack.items) for pack in made) == len(keys) - done
    return sorted(times)[len(times) // 2]


def frontier(points: int, repeats: int = 3) -> float:
    """Median seconds for the Pareto front of ``points`` random points with a trade-off, two objectives."""
    import numpy as np

    from analysis.measures.frontier import frontier as front

    chance = np.random.default_rng(0)
    speed = chance.lognormal(3, 1, points)
    quality = 40 - 2 * np.log(speed) + chance.normal(0, 1, points)
    values = np.stack([speed, quality], 1)
    times: list[float] = []
    for _ in range(repeats):
        began = time.perf_counter()
        front(values)
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


def help_seconds(repeats: int = 5) -> float:
    """Median seconds of ``sweep --help``."""
    command = [str(Path(sys.executable).parent / "sweep"), "--help"]
    times: list[float] = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--one", nargs=4, metavar=("EXECUTOR", "TRIALS", "PACK", "DB"))
    asked = parser.parse_args()
    if asked.one:
        executor, trials, pack, url = asked.one
        print(json.dumps(one(executor, int(trials), int(pack), url)))
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    count = 60 if asked.quick else 1185
    alone, packed, tune = noop(count, 1, "actors"), noop(count, 48, "actors"), noop(count, 1, "tune")
    from benchmarks._record import record

    measurements = {
        "noop_trials": count,
        "noop_seconds": alone["process_s"],
        "noop_packed_seconds": packed["process_s"],
        "noop_tune_seconds": tune["process_s"],
        "noop_parts": {"actors": alone, "actors_packed": packed, "tune": tune},
        "resume_plan_seconds": round(resume_plan(900), 4),
        "frontier_points": 100_000 if asked.quick else 1_000_000,
        "frontier_million_seconds": round(frontier(100_000 if asked.quick else 1_000_000), 4),
        "help_seconds": round(help_seconds(), 3),
    }
    print(json.dumps(measurements, indent=2))
    if not asked.quick or os.environ.get("EDGE_SWEEP_BENCH_OUT"):
        record("orchestration", measurements, ("torch", "ray", "numpy", "sqlalchemy", "moocore"))


if __name__ == "__main__":
    main()
