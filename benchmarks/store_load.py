"""How the store behaves as it fills: status, resume planning and the chart's frame at 1k, 10k and 100k trials.

Each trial has ten quality measurements (two metrics on five test sets) beside the speeds of its config on three
devices; one trial in twenty is still to do. Every time is taken in a fresh process, imports of the store
and of pandas included (the Python interpreter's own start is not). ``plot_s`` reads what a chart of one metric
on one device needs, ``frame_s`` every measurement; ``peak_mib`` is the largest resident set of the four.
PostgreSQL is a throw-away server on this machine (pgserver).

    python benchmarks/store_load.py            # writes benchmarks/results/store_load.json
    python benchmarks/store_load.py --quick    # 1k only, prints
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

SIZES = (1_000, 10_000, 100_000)
DEVICES = ("AGX", "MaxQ", "RPI")
SETS = ("Set5", "Set14", "BSDS100", "Urban100", "Manga109")


def fill(url: str, trials: int) -> None:
    """Put ``trials`` finished trials and a twentieth more that wait into a new store."""
    import random

    from sqlalchemy import select, update

    from results_db.schema import trial
    from results_db.store import Store
    from results_db.tables.outcomes import write_quality
    from search_space.facts import Quality, Speed

    chance = random.Random(0)
    with Store.open(url) as store:
        sweep = store.create_sweep("load", "paper", "{}")
        wanted = keys(trials)
        store.plan(sweep, wanted)

        def finish(connection: object) -> None:
            ids = connection.execute(select(trial.c.id, trial.c.config).order_by(trial.c.id).limit(trials)).all()  # type: ignore[attr-defined]
            last = ids[-1][0]
            connection.execute(  # type: ignore[attr-defined]
                update(trial)
                .where(trial.c.id <= last)
                .values(state="done", attempt=1, seconds=1.0, steps=1, finished_at=1.0)
            )
            for start in range(0, len(ids), 5000):
                facts = [
                    (
                        number,
                        [
                            Quality(config, dataset, metric, chance.uniform(25, 38), "", "y-v1")
                            for dataset in SETS
                            for metric in ("psnr", "ssim")
                        ],
                    )
                    for number, config in ids[start : start + 5000]
                ]
                write_quality(connection, facts)  # type: ignore[arg-type]

        store.database.write(finish)
        configs = sorted({key.config for key in wanted})
        store.add_speeds(
            Speed(config, device, "eager", "fp16", "fullhd14", chance.uniform(1, 900), power_w=chance.uniform(1, 90))
            for config in configs
            for device in DEVICES
        )


def keys(trials: int) -> list:  # type: ignore[type-arg]
    """The keys the sweep wants: the paper's configs, seed after seed."""
    from search_space.facts import TrialKey
    from search_space.spaces import load_space

    ids = [config.id for config in load_space("paper").configs]
    count = trials + trials // 20
    return [TrialKey(ids[n % len(ids)], n // len(ids), "r" * 12, "d" * 12, "c" * 12) for n in range(count)]


def measure(what: str, url: str, trials: int) -> dict[str, float]:
    """One measurement, in this process."""
    wanted = keys(trials) if what == "plan" else []
    start = time.perf_counter()
    from results_db.store import Store

    with Store.open(url, readonly=what != "plan") as store:
        if what == "status":
            counts = store.counts(1)
            store.failures(1)
            assert counts.done == trials
        elif what == "plan":
            sweep = store.create_sweep("load", "paper", "{}")
            assert store.plan(sweep, wanted).created == 0
            assert len(store.missing(sweep)) == trials // 20
        else:
            from results_db.reading import frames

            chosen = ["psnr:BSDS100"] if what == "plot" else None
            table = frames.results(store, sweep="load", device="AGX", metrics=chosen)
            assert len(table) == trials
            assert table["psnr:BSDS100"].notna().all()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def apart(what: str, url: str, trials: int) -> dict[str, float]:
    """``measure`` in a fresh process; the middle one of three."""
    runs = []
    for _ in range(3):
        command = [sys.executable, __file__, "--measure", what, "--url", url, "--trials", str(trials)]
        runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return sorted(runs, key=lambda run: run["seconds"])[1]


def rows(engine: str, urls: dict[int, str]) -> list[dict[str, object]]:
    """The growth curve of one engine."""
    found: list[dict[str, object]] = []
    for trials, url in urls.items():
        start = time.perf_counter()
        fill(url, trials)
        filled = time.perf_counter() - start
        taken = {what: apart(what, url, trials) for what in ("status", "plan", "plot", "frame")}
        row: dict[str, object] = {"engine": engine, "trials": trials}
        row |= {f"{what}_s": round(run["seconds"], 3) for what, run in taken.items()}
        row["peak_mib"] = round(max(run["mib"] for run in taken.values()))
        row["fill_s"] = round(filled, 1)
        print(json.dumps(row), flush=True)
        found.append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1k trials only; nothing is written")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--trials", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.url, given.trials)))
        return
    import pgserver

    sizes = SIZES[:1] if given.quick else SIZES
    with tempfile.TemporaryDirectory(prefix="edge-sweep-load-") as folder:
        found = rows("sqlite", {n: f"sqlite:///{folder}/{n}.db" for n in sizes})
        server = pgserver.get_server(Path(folder) / "pg", cleanup_mode="stop")
        host = server.get_uri().split("host=")[1]
        for n in sizes:
            server.psql(f"CREATE DATABASE load{n};")
        found += rows("postgresql", {n: f"postgresql+psycopg://postgres@/load{n}?host={host}" for n in sizes})
        server.cleanup()
    if not given.quick:
        from benchmarks._record import record

        print(record("store_load", {"results_per_trial": 10, "rows": found}, ("sqlalchemy", "pandas", "psycopg")))


if __name__ == "__main__":
    main()
