"""Made ``schema-0002.sqlite``; runs with the code of revision 1ebfda9, not with today's (see README.md).

A sweep that really trained, with a lost pack, a failure for good, a lapsed lease and a pending trial; two seeds of
another sweep; published figures; measured speeds. What that code said of it goes into a JSON file beside it.
Older databases that are named too get the chart that this code draws of them.
"""

import json
import sys
from pathlib import Path

from analysis.ask import Ask
from analysis.results import gather, gather_means

from analysis.pareto import draw
from results_db import frames
from results_db.records import Source
from results_db.store import Store
from search_space import parse_id
from search_space.facts import Failure, Quality, TrialKey
from sweep import session
from tests.sweep_tests.kit import DATA, RECIPE, Unlucky, configs, driver, planned
from workers.benchmark import QHD5, benchmark


def fill(path: str) -> None:
    """The database itself."""
    with Store.open(path) as store:
        tiny = planned(store, 6)
        ids = [row.id for row in store.trials(tiny)]
        executor = Unlucky(lambda task: Failure.WORKER_LOST if task.members[0].attempt == 1 else None)
        driver(store, tiny, executor, only=frozenset(ids[:2])).run()
        driver(store, tiny, only=frozenset(ids[2:3])).run()
        unlucky = Unlucky(lambda task: Failure.BAD_DATA)
        driver(store, tiny, unlucky, only=frozenset(ids[3:4])).run()
        two = session.make_plan("paper", configs(2), RECIPE, DATA, root=None, seeds=(1, 2), name="seeds")
        driver(store, session.store_plan(store, two, DATA)).run()
        paper = store.create_sweep("paper", "paper", "{}", source=Source.PUBLISHED)
        known = [Quality(config.id, "Set5", "psnr", 33.5, "dB", "published") for config in configs(2)]
        store.add_qualities(paper, known, Source.PUBLISHED, parameters={config.id: 36 for config in configs(2)})
        some = [*configs(4), parse_id("Bicubic_s2")]
        store.add_speeds(benchmark(some, device_name="this machine", protocol=QHD5))
        store.claim(ids[4:5], "another-host:1234:1700000000", -1.0)
        store.expire_leases()
        store.claim(ids[4:6], "another-host:1234:1700000000", -1.0)
        store.plan(tiny, [TrialKey("eSR-TM_s2_K5_C4", 0, "0" * 12, "1" * 12, "2" * 12)])


def told(path: str) -> dict[str, object]:
    """What the code of that time says of it."""
    with Store.open(path, readonly=True) as store:
        out: dict[str, object] = {}
        out["sweeps"] = [[s.id, s.name, s.space, s.recipe_json, str(s.source)] for s in store.sweeps()]
        out["counts"] = {s.name: vars_of(store.counts(s.id)) for s in store.sweeps()}
        out["results"] = json.loads(frames.results(store).to_json(orient="records", double_precision=15))
        out["attempts"] = [
            [a.trial, a.number, a.outcome, None if a.failure is None else str(a.failure), a.error]
            for a in store.attempts()
        ]
        done = [row.id for row in store.trials() if row.state == "done"]
        files = {row: store.artifact(row) for row in done}
        out["weights"] = {str(row): None if one is None else one.sha256 for row, one in files.items()}
        out["speeds"] = [[s.config, s.device, s.fps, s.seconds_median, s.detail["rounds"]] for s in store.speeds()]
        out["chart"] = chart(store)
        return out


def chart(store: Store) -> dict[str, object]:
    """The points of the frontier chart and what it shows."""
    _, drawn = draw(gather_means(store, Ask()), Ask())
    results = gather(store, Ask())
    metric = results.metric(None).column
    points = results.table[["config", "fps", metric]]
    return {
        "metric": metric,
        "shown": drawn.shown,
        "planned": drawn.planned,
        "frontiers": [list(one) for one in drawn.frontiers],
        "points": json.loads(points.to_json(orient="values", double_precision=15)),
    }


def vars_of(counts: object) -> dict[str, int]:
    """The fields of a slotted or plain dataclass."""
    return {name: getattr(counts, name) for name in ("planned", "pending", "running", "done", "failed")}


if __name__ == "__main__":
    target, *older = (Path(name) for name in sys.argv[1:])
    if not target.exists():
        fill(str(target))
    target.with_suffix(".json").write_text(json.dumps(told(str(target)), indent=1) + "\n")
    for path in older:
        # The chart of an older database, which came before charts did.
        migrated = path.with_suffix(".migrated")
        migrated.write_bytes(path.read_bytes())
        with Store.open(str(migrated)) as opened:
            known = json.loads(path.with_suffix(".json").read_text()) | {"chart": chart(opened)}
        path.with_suffix(".json").write_text(json.dumps(known, indent=1) + "\n")
