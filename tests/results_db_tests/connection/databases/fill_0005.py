"""Made ``schema-0005.sqlite``; runs with the code of revision d844829, not with today's (see README.md).

The database of the fourth schema as that code migrated it, and more trials that it trained itself.
"""

import json
import shutil
import sys
from pathlib import Path

from fill_0004 import told

from results_db.store import Store
from sweep.planning import stored_plan
from tests.sweep_tests.kit import DATA, RECIPE, configs, driver


def fill(path: str) -> None:
    """Two trials trained, one left pending, one held by a driver that is gone."""
    with Store.open(path) as store:
        plan = stored_plan.make_plan("paper", configs(8), RECIPE, DATA, root=None, name="tiny-8", pack_size=2)
        tiny = stored_plan.store_plan(store, plan, DATA)
        store.expire_leases()
        new = [row.id for row in store.missing(tiny)]
        driver(store, tiny, only=frozenset(new[-4:-2])).run()
        store.claim(new[-1:], "another-host:1234:1700000000", -1.0)


if __name__ == "__main__":
    target, older = (Path(name) for name in sys.argv[1:])
    shutil.copy(older, target)
    fill(str(target))
    target.with_suffix(".json").write_text(json.dumps(told(str(target)), indent=1) + "\n")
