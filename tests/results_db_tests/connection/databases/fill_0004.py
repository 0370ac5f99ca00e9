"""Made ``schema-0004.sqlite``; runs with the code of revision 20b3b61, not with today's (see README.md).

The database of the third schema as that code migrated it, and more trials that it trained itself, one of which was
stopped in training and left a checkpoint. One sweep has tags and a note.
"""

import json
import shutil
import sys
from pathlib import Path

from analysis.pareto import draw
from analysis.reading.results import gather, gather_means
from analysis.reading.selection import Selection
from results_db.reading import frames
from results_db.reading.sweeps import change
from results_db.store import Store
from search_space.facts import Checkpoint
from sweep.planning import stored_plan
from tests.sweep_tests.kit import DATA, RECIPE, configs, driver

KINDS = ("planned", "pending", "running", "done", "failed")


def fill(path: str) -> None:
    """Two trials trained, one left pending with a checkpoint, one held by a driver that is gone."""
    with Store.open(path) as store:
        plan = stored_plan.make_plan("paper", configs(4), RECIPE, DATA, root=None, name="tiny-4", pack_size=2)
        tiny = stored_plan.store_plan(store, plan, DATA)
        new = [row.id for row in store.missing(tiny)]
        driver(store, tiny, only=frozenset(new[:2])).run()
        store.expire_leases()
        (claim,) = store.claim(new[2:3], "another-host:1234:1700000000", 60)
        store.save_checkpoints([Checkpoint(claim.trial, claim.attempt, 2, b"two steps")])
        store.release([claim], "another-host:1234:1700000000")
        store.claim(new[3:4], "another-host:1234:1700000000", -1.0)
        change(store, str(tiny), ["night"], note="the fourth schema")


def told(path: str) -> dict[str, object]:
    """What the code of that time says of it."""
    with Store.open(path, readonly=True) as store:
        _, drawn = draw(gather_means(store, Selection()), Selection())
        results = gather(store, Selection())
        metric = results.metric(None).column
        points = results.table[["config", "fps", metric]]
        done = [row.id for row in store.trials() if row.state == "done"]
        files = {row: store.artifact(row) for row in done}
        return {
            "sweeps": [[s.id, s.name, s.space, s.recipe_json, str(s.source)] for s in store.sweeps()],
            "counts": {s.name: {k: getattr(store.counts(s.id), k) for k in KINDS} for s in store.sweeps()},
            "results": json.loads(frames.results(store).to_json(orient="records", double_precision=15)),
            "attempts": [
                [a.trial, a.number, a.outcome, None if a.failure is None else str(a.failure), a.error]
                for a in store.attempts()
            ],
            "weights": {str(row): None if one is None else one.sha256 for row, one in files.items()},
            "chart": {
                "metric": metric,
                "shown": drawn.shown,
                "planned": drawn.planned,
                "frontiers": [list(one) for one in drawn.frontiers],
                "points": json.loads(points.to_json(orient="values", double_precision=15)),
            },
        }


if __name__ == "__main__":
    target, older = (Path(name) for name in sys.argv[1:])
    shutil.copy(older, target)
    fill(str(target))
    target.with_suffix(".json").write_text(json.dumps(told(str(target)), indent=1) + "\n")
