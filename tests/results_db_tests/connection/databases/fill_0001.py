"""Made ``schema-0001.sqlite``; runs with the code of revision 556f80f, not with today's (see README.md).

That revision brought both schemas: no store ever wrote with the first one for long. Its migration makes the tables, and
the rows are those that its own store writes, in a database beside it, without what the second schema added.
"""

import hashlib
import json
import sqlite3
import sys
from pathlib import Path

from results_db.engine import Database
from results_db.migrate import upgrade
from results_db.urls import parse

from results_db import frames
from results_db.records import Source
from results_db.store import Store
from search_space.facts import Artifact, Done, Failed, Failure, Quality, Speed, TrialKey

CONFIGS = ("eSR-MAX_s2_K3_C1", "eSR-TM_s2_K5_C4", "ESPCN_s3_D8_S6", "Bicubic_s2")


def psnr(config: str, value: float) -> Quality:
    """With the figures of two images."""
    return Quality(config, "Set5", "psnr", value, "dB", "y-v1", (("baby", value + 1), ("bird", value - 1)))


def fill(path: str) -> None:
    """Everything a store could hold then."""
    with Store.open(path) as store:
        first = store.create_sweep("first", "demo", '{"steps": 100}', "abc1234", settings={"device": "board"})
        store.plan(first, [TrialKey(config, seed, "r1", "d1", "c1") for config in CONFIGS for seed in (0, 1)])
        ids = [row.id for row in store.trials(first)]
        for number, claim in enumerate(store.claim(ids[:4], "driver", 60)):
            file = Artifact("weights", b"w%d" % number, hashlib.sha256(b"w%d" % number).hexdigest())
            found = (psnr(claim.key.config, 30.0 + number), Quality(claim.key.config, "Set5", "ssim", 0.9, "", "y-v1"))
            store.record([Done(claim.trial, claim.attempt, found, (file,), 1.5, 100, "node-1", ((0, 0.5), (99, 0.1)))])
        (failing,) = store.claim(ids[4:5], "driver", 60)
        store.record([Failed(failing.trial, failing.attempt, Failure.OOM, "out of memory", "Traceback", "node-2", 0.5)])
        store.release(store.claim(ids[5:6], "driver", 60), "driver")
        store.claim(ids[6:7], "dead-driver", -1)
        paper = store.create_sweep("paper", "paper", "{}", source=Source.PUBLISHED)
        store.add_qualities(paper, [psnr(CONFIGS[0], 33.5)], Source.PUBLISHED, parameters={CONFIGS[0]: 36})
        store.add_speeds([Speed(c, "board", "eager", "fp32", "fullhd14", 30.0 / n, 0.1 * n, 0.01, power_w=4.0)
                          for n, c in enumerate(CONFIGS, start=1)])  # fmt: skip


def told(path: str) -> dict[str, object]:
    """What the code of that time says of it."""
    with Store.open(path) as store:
        table = json.loads(frames.results(store).to_json(orient="records", double_precision=15))
        counts = {s.name: store.counts(s.id) for s in store.sweeps()}
        done = [row.id for row in store.trials() if row.state == "done"]
        files = {row: store.artifact(row) for row in done}
        return {
            "sweeps": [[s.id, s.name, s.space, s.recipe_json, str(s.source)] for s in store.sweeps()],
            "counts": {
                name: {kind: getattr(one, kind) for kind in ("planned", "pending", "running", "done", "failed")}
                for name, one in counts.items()
            },
            "results": table,
            "attempts": [
                [a.trial, a.number, a.outcome, None if a.failure is None else str(a.failure), a.error]
                for a in store.attempts()
            ],
            "weights": {str(row): None if one is None else one.sha256 for row, one in files.items()},
        }


def copied(newer: str, older: str) -> None:
    """The rows of the second schema's database in tables of the first one."""
    database = Database(parse(older))
    database.write(lambda connection: upgrade(connection, "0001"))
    database.close()
    with sqlite3.connect(older) as target:
        target.execute("ATTACH ? AS newer", (newer,))
        for table in ("sweep", "trial", "sweep_trial", "attempt", "measure", "quality", "speed", "artifact"):
            columns = ", ".join(f'"{row[1]}"' for row in target.execute(f"PRAGMA main.table_info({table})"))
            target.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
    target.close()


if __name__ == "__main__":
    made = Path(sys.argv[1])
    beside = made.with_suffix(".newer")
    fill(str(beside))
    made.with_suffix(".json").write_text(json.dumps(told(str(beside)), indent=1) + "\n")
    copied(str(beside), str(made))
