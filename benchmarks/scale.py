"""How far one store and its drivers carry: 1,000 workers on 250 nodes that come and go, up to a million trials.

Driver, planning and store are the product's, with real transactions; only the workers pretend (``_pretend``): a pack
takes a time by its multiply-adds, brings weights, measurements and one state of real sizes, and every so often a node
leaves with its packs. ``minute``: packs of a minute, as 1,000 real workers would bring them: ``busy_share`` says how
much of the time a worker had a pack. ``short``: packs so short that the drivers cannot keep up, which shows what they
can do at most. Each row has a store of its own and runs for ``--seconds``, or until so many trials are done that the
others no longer fill all workers; a million trials are planned and resumed, not all of them pretended.

``plan_s``: from the space to the first pack submitted, nothing stored before (``store_plan_s`` of it write the trials).
``resume_s``: from opening the store to the first pack submitted. ``peak_mib``: the largest resident set of a driver.
CPU seconds per trial tell what a quiet machine would do; PostgreSQL (pgserver) runs on the same machine.

    python benchmarks/scale.py                             # writes benchmarks/results/scale.json; an hour or more
    python benchmarks/scale.py --engine postgresql --trials 100000 --drivers 1 8    # some rows; the file keeps the rest
    python benchmarks/scale.py --quick                     # 40 workers, 8,000 trials; prints
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import multiprocessing
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

PACK = 48
PACK_S = {"minute": 60.0, "short": 3.0}
NODE_STAYS_S = 2500.0
"""Of 250 nodes one leaves every ten seconds."""
FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Asked:
    """What to measure; ``seconds`` is the longest that a row runs."""

    engines: Sequence[str]
    drivers: Sequence[int]
    trials: Sequence[int]
    workers: int
    seconds: float


def apart(work: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Start ``work`` in a process of its own, which has this one's imports; call the result to wait for its answer."""
    receive, send = FORK.Pipe(duplex=False)

    def answer(to: Connection) -> None:
        began = os.times()
        found = work()
        used = os.times()
        found["cpu_s"] = used.user + used.system - began.user - began.system
        found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        to.send(found)

    process = FORK.Process(target=answer, args=(send,))
    process.start()
    send.close()

    def wait() -> dict[str, Any]:
        found: dict[str, Any] = receive.recv()
        process.join()
        return found

    return wait


def plan(url: str, trials: int, workers: int) -> dict[str, Any]:
    """Plan a sweep of so many trials and start on it; seconds."""
    from results_db.store import Store
    from search_space.spaces import load_space
    from sweep.planning.data import load_data
    from sweep.planning.stored_plan import make_plan, open_plan
    from workers.training.recipe import recipe_for

    data, configs = load_data(None, (), ()), load_space("paper").configs
    began = time.monotonic()
    seeds = tuple(range(-(-trials // len(configs))))
    made = make_plan("paper", configs, recipe_for("paper"), data, root=None, seeds=seeds, name="scale")
    with Store.open(url) as store:
        stored = time.monotonic()
        sweep = open_plan(store, replace(made, keys=made.keys[:trials]), data)
        opened = time.monotonic()
        first = drive(sweep, workers, 60.0, 0.0)["first_submit"]
    return {"plan_s": first - began, "store_plan_s": opened - stored}


def resume(url: str, workers: int) -> dict[str, Any]:
    """Open the stored sweep as ``sweep resume`` does and start on it; seconds."""
    from results_db.store import Store
    from sweep.planning.open_sweep import OpenSweep

    began = time.monotonic()
    with Store.open(url) as store:
        first = drive(OpenSweep.recall(store), workers, 60.0, 0.0)["first_submit"]
    return {"resume_s": first - began}


def run(url: str, workers: int, pack_s: float, seconds: float, most: float, number: int) -> dict[str, Any]:
    """One driver of several; ``most`` is of this one."""
    from results_db.store import Store
    from sweep.planning.open_sweep import OpenSweep

    with Store.open(url) as store:
        return drive(OpenSweep.recall(store), workers, pack_s, seconds, most, number)


def most_done(trials: int, workers: int) -> float:
    """Trials that may be done before the rest, some of them running, no longer fills all workers."""
    return max(1.0, 0.9 * (trials - workers * PACK))


def drive(
    sweep: Any, workers: int, pack_s: float, seconds: float, most: float = math.inf, number: int = 0
) -> dict[str, Any]:
    """A driver that stops cleanly ``seconds`` after its first pack or once ``most`` trials are done; what it did until
    then. Raises RuntimeError when it ends without a pack."""
    import random

    from benchmarks._pretend import PretendCluster, macs
    from search_space.spaces import load_space
    from sweep.running.driver import Driver

    ids = [config.id for config in load_space("paper").configs]
    per_mac = pack_s / (PACK * sum(map(macs, ids)) / len(ids))
    nodes = max(1, workers // 4)
    cluster = PretendCluster(workers, per_mac, NODE_STAYS_S / nodes, chance=random.Random(number))
    driver = Driver(sweep, cluster)
    found: dict[str, Any] = {}
    ended = threading.Event()

    def stop() -> None:
        while not cluster.first_submit:
            if ended.wait(0.005):
                return
        until = cluster.first_submit + seconds
        while driver.report.done < most and (left := until - time.monotonic()) > 0:
            if ended.wait(min(left, 0.05)):
                break
        now = time.monotonic()
        wall = now - cluster.first_submit
        found.update(
            first_submit=cluster.first_submit,
            done=driver.report.done,
            checkpoints=cluster.checkpoints,
            lost_packs=cluster.lost_packs,
            seconds=wall,
            busy_share=cluster.busy_s(now) / (workers * max(1e-9, wall)),
        )
        driver.stop()

    watch = threading.Thread(target=stop)
    watch.start()
    try:
        driver.run()
    finally:
        ended.set()
        watch.join()
    if not found:
        raise RuntimeError("no trial of the sweep waits: its driver ended without a pack")
    return found


def server_cpu(folder: Path) -> float:
    """CPU seconds of the PostgreSQL server's processes that live, so far."""
    import psutil

    pid = folder / "pg" / "postmaster.pid"
    if not pid.exists():
        return 0.0
    server = psutil.Process(int(pid.read_text().split()[0]))
    times = [process.cpu_times() for process in (server, *server.children())]
    ended = server.cpu_times()
    return sum(t.user + t.system for t in times) + ended.children_user + ended.children_system


def row(
    url: str, folder: Path, asked: Asked, engine: str, drivers: int, trials: int, packs: str, planned: dict[str, Any]
) -> dict[str, Any]:
    """One row: so many drivers on a planned store for ``asked.seconds``, then a resume."""
    from results_db.reading.info import describe
    from results_db.store import Store

    each, pack_s = max(1, asked.workers // drivers), PACK_S[packs]
    most = most_done(trials, asked.workers) / drivers
    before = server_cpu(folder)
    waits = [apart(partial(run, url, each, pack_s, asked.seconds, most, number)) for number in range(drivers)]
    did = [wait() for wait in waits]
    server = server_cpu(folder) - before
    resumed = apart(lambda: resume(url, each))()
    with Store.open(url, readonly=True) as store:
        size = describe(store).size / 2**20
        stored = store.counts().done
    done = sum(one["done"] for one in did)
    return {
        "engine": engine,
        "drivers": drivers,
        "workers": each * drivers,
        "trials": trials,
        "packs": packs,
        "trials_per_s": round(sum(one["done"] / one["seconds"] for one in did), 1),
        "checkpoints_per_s": round(sum(one["checkpoints"] / one["seconds"] for one in did), 1),
        "plan_s": round(planned["plan_s"], 1),
        "resume_s": round(resumed["resume_s"], 1),
        "peak_mib": round(max(planned["peak_mib"], resumed["peak_mib"], *(one["peak_mib"] for one in did))),
        "database_mib": round(size),
        "busy_share": round(sum(one["busy_share"] for one in did) / drivers, 3),
        "driver_cpu_ms_per_trial": round(1000 * sum(one["cpu_s"] for one in did) / max(1, done), 3),
        "server_cpu_ms_per_trial": round(1000 * server / max(1, done), 3) if server else None,
        "plan_cpu_s": round(planned["cpu_s"], 1),
        "resume_cpu_s": round(resumed["cpu_s"], 1),
        "store_plan_s": round(planned["store_plan_s"], 1),
        "lost_packs": sum(one["lost_packs"] for one in did),
        "done_in_store": stored,
        "seconds": round(max(one["seconds"] for one in did), 1),
    }


@contextmanager
def store_url(engine: str, folder: Path) -> Iterator[str]:
    """The address of a new store."""
    if engine == "sqlite":
        yield f"sqlite:///{folder}/s.db"
        return
    import pgserver

    server = pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        server.psql("ALTER SYSTEM SET max_connections = 200")
        server.psql("CREATE DATABASE scale")
        yield server.get_uri("scale").replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


def rows(asked: Asked) -> Iterator[dict[str, Any]]:
    """Every row is planned anew: another would find fewer trials left. SQLite has one driver."""
    import sweep.running.driver  # noqa: F401  imported before the forks: each driver has it
    from benchmarks import _pretend  # noqa: F401

    for engine, trials, packs in itertools.product(asked.engines, asked.trials, PACK_S):
        for drivers in asked.drivers if (engine, packs) == ("postgresql", "short") else (1,):
            with tempfile.TemporaryDirectory(prefix="edge-sweep-scale-") as name, store_url(engine, Path(name)) as url:
                planned = apart(partial(plan, url, trials, asked.workers))()
                yield row(url, Path(name), asked, engine, drivers, trials, packs, planned)


KEY = ("engine", "drivers", "trials", "packs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--engine", nargs="+", choices=("sqlite", "postgresql"), default=("sqlite", "postgresql"))
    parser.add_argument("--drivers", nargs="+", type=int, default=(1, 8, 32))
    parser.add_argument("--trials", nargs="+", type=int, default=(100_000, 1_000_000))
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=150.0)
    given = parser.parse_args()
    asked = Asked(given.engine, given.drivers, given.trials, given.workers, given.seconds)
    if given.quick:
        asked = Asked(given.engine, (1, 2), (8_000,), 40, 6.0)
    from benchmarks._record import RESULTS, git_revision, record

    file = RESULTS / "scale.json"
    for found in rows(asked):
        print(json.dumps(found), flush=True)
        if given.quick and not os.environ.get("EDGE_SWEEP_BENCH_OUT"):
            continue
        kept = json.loads(file.read_text())["rows"] if file.exists() else []
        kept = [one for one in kept if any(one[name] != found[name] for name in KEY)]
        found |= {"git": git_revision(), "load": round(os.getloadavg()[0], 1)}
        kept = sorted([*kept, found], key=lambda one: [str(one[name]).rjust(12) for name in KEY])
        record("scale", {"rows": kept}, ("sqlalchemy", "psycopg", "pgserver"))


if __name__ == "__main__":
    main()
