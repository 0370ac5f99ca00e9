"""What checkpoints cost a worker and its driver in CPU time, and the room they take in a store."""

from __future__ import annotations

import pickle
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MEASURED_EVERY_S = 1.0
ASK_EVERY_S = 0.5
"""How often the driver asks a worker for states."""
PRODUCT_EVERY_S = 60.0
MEMBERS = 48
VACUUM_EVERY_S = 3


def cost(pairs: int, steps: int) -> dict[str, Any]:
    """CPU time of one pack with checkpoints and without, ``pairs`` times in turn."""
    from tests.chaos.data import make_data

    with tempfile.TemporaryDirectory() as name:
        load = _Load(make_data(Path(name) / "data"), f"sqlite:///{name}/s.db", steps)
        load.train(0.0)
        runs = []
        for pair in range(pairs):
            order = (MEASURED_EVERY_S, 0.0) if pair % 2 else (0.0, MEASURED_EVERY_S)
            taken = {every: load.train(every) for every in order}
            (with_cpu, saves, wall), (without_cpu, _, _) = taken[MEASURED_EVERY_S], taken[0.0]
            runs.append(
                {
                    "with_cpu_s": round(with_cpu, 3),
                    "without_cpu_s": round(without_cpu, 3),
                    "saves": saves,
                    "wall_s": round(wall, 1),
                    "ratio": round(with_cpu / without_cpu, 5),
                }
            )
            print(runs[-1], flush=True)
        store_s = load.store_seconds / max(1, load.saves)
    share = statistics.median(run["ratio"] for run in runs) - 1
    per_save = statistics.median((run["with_cpu_s"] - run["without_cpu_s"]) / max(1, run["saves"]) for run in runs)
    wall_share = [run["saves"] * PRODUCT_EVERY_S / run["wall_s"] for run in runs]
    return {
        "checkpoint_cost": round(max(0.0, per_save) / PRODUCT_EVERY_S, 6),
        "cost": {
            "members": MEMBERS,
            "measured_every_s": MEASURED_EVERY_S,
            "given_for_every_s": PRODUCT_EVERY_S,
            "share_at_measured": round(share, 5),
            "cpu_s_per_save_of_all_members": round(per_save, 5),
            "store_wall_s_per_save": round(store_s, 5),
            "state_bytes_per_save": load.bytes_per_save,
            "saves_per_minute_measured": round(statistics.median(wall_share), 1),
            "pairs": runs,
        },
    }


class _Load:
    """One pack of 48 configs of the paper's space, as an actor trains it, with a store that takes its states."""

    def __init__(self, data: Path, url: str, steps: int) -> None:
        from results_db.store import Store
        from search_space.facts import TrialKey
        from search_space.spaces import load_space
        from sweep.executors.core import WorkerData
        from sweep.executors.image_transport import Images
        from sweep.executors.pack_worker import PackWorker
        from workers.data.datasets import resolve
        from workers.training.recipe import recipe_for

        configs = [config for config in load_space("paper").configs if config.scale == 2]
        chosen = configs[3 :: len(configs) // MEMBERS][:MEMBERS]
        recipe = recipe_for("smoke").with_changes(steps=steps)
        self.worker = PackWorker()
        # As ``prepare`` does on a cluster; there is none here.
        self.worker._images = WorkerData(Images(resolve("T91", data), (resolve("Set5", data),))).prepare()
        self.recipe_json = recipe.to_json()
        self.store = Store.open(url)
        sweep = self.store.create_sweep("load", "paper", self.recipe_json)
        self.store.plan(sweep, [TrialKey(config.id, 0, recipe.digest, "d" * 12, "c" * 12) for config in chosen])
        self.claims = self.store.claim([row.id for row in self.store.missing(sweep)], "benchmark", 1e6)
        self.saves, self.store_seconds, self.bytes_per_save = 0, 0.0, 0

    def train(self, every_s: float) -> tuple[float, int, float]:
        """CPU seconds of this process, hand-outs of states and wall seconds of one training of the pack."""
        from workers.task import PackTask, TrialTask

        members = tuple(TrialTask(c.trial, c.attempt, c.key.config, c.key.seed) for c in self.claims)
        task = PackTask(members, self.recipe_json, checkpoint_every_s=every_s)
        began, wall = time.process_time(), time.monotonic()
        thread = threading.Thread(target=self.worker.run, args=(task, 1))
        thread.start()
        saves = 0
        while thread.is_alive():
            thread.join(ASK_EVERY_S)
            saves += self._ask()
        return time.process_time() - began, saves, time.monotonic() - wall

    def _ask(self) -> int:
        *_, states = self.worker.progress()
        states = pickle.loads(pickle.dumps(states, protocol=5))
        if not states:
            return 0
        started = time.perf_counter()
        self.store.save_checkpoints(states)
        self.store_seconds += time.perf_counter() - started
        self.saves += 1
        self.bytes_per_save = sum(len(state.data) for state in states)
        return 1


def growth(rounds: Sequence[int]) -> list[dict[str, Any]]:
    """The size of a store after so many rounds of states of all 1185 trials, SQLite and PostgreSQL."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        rows += _grow("sqlite", f"sqlite:///{name}/s.db", rounds)
        import pgserver

        server = pgserver.get_server(Path(name) / "pg")
        try:
            server.psql("CREATE DATABASE growth")
            # A server looks for dead rows once a minute, as often as a real sweep has a round; rounds are faster here.
            server.psql(f"ALTER SYSTEM SET autovacuum_naptime = {VACUUM_EVERY_S}")
            server.psql("SELECT pg_reload_conf()")
            url = server.get_uri("growth").replace("postgresql://", "postgresql+psycopg://")
            rows += _grow("postgresql", url, rounds)
        finally:
            server.cleanup()
    return rows


def _grow(engine: str, url: str, rounds: Sequence[int]) -> list[dict[str, Any]]:
    from results_db.reading.info import describe
    from results_db.store import Store
    from search_space.facts import Checkpoint, TrialKey
    from search_space.spaces import load_space

    rows = []
    keys = [TrialKey(config.id, 0, "r" * 12, "d" * 12, "c" * 12) for config in load_space("paper").configs]
    with Store.open(url) as store:
        sweep = store.create_sweep("growth", "paper", "{}")
        store.plan(sweep, keys)
        claims = store.claim([row.id for row in store.missing(sweep)], "benchmark", 1e6)
        kinds = [[_state(claim.key.config, seed) for claim in claims] for seed in (0, 1)]
        for number in range(1, max(rounds) + 1):
            states = [
                Checkpoint(claim.trial, claim.attempt, number, data)
                for claim, data in zip(claims, kinds[number % 2], strict=True)
            ]
            for start in range(0, len(states), MEMBERS):
                store.save_checkpoints(states[start : start + MEMBERS])
            if number in rounds:
                info = describe(store)
                rows.append(
                    {
                        "engine": engine,
                        "trials": len(claims),
                        "rounds": number,
                        "database_mib": round(info.size / 2**20, 1),
                        "states_mib": round(info.checkpoint_size / 2**20, 1),
                        "largest_state_kib": round(max(map(len, kinds[0])) / 1024, 1),
                        "vacuum_every_s": VACUUM_EVERY_S if engine == "postgresql" else None,
                    }
                )
                print(rows[-1], flush=True)
    return rows


def _state(config_id: str, seed: int) -> bytes:
    """A state as a worker sends it, of random numbers, in the middle of the paper recipe."""
    import torch

    from search_space import parse_id
    from workers.training.checkpoint import to_checkpoint
    from workers.training.optimiser import trained
    from workers.training.recipe import recipe_for
    from workers.training.train import CHECK_EVERY, initial_module

    config, recipe = parse_id(config_id), recipe_for("paper")
    count = sum(p.numel() for p in trained(initial_module(config, 0)))
    generator = torch.Generator().manual_seed(seed)
    weights, first, second = (torch.randn(count, generator=generator) for _ in range(3))
    step = recipe.steps // 2
    curve = [(at, 0.001) for at in range(0, step, CHECK_EVERY)]
    return to_checkpoint(config, recipe, step, curve, weights, first, second, ("compiled/0123456789ab",), 1.0)
