"""Whether trackers slow a sweep: the seconds of a sweep with one over those of the same sweep without, taken in turns.

Each pair trains the same networks in this process (which trackers share, unlike a sweep on Ray: the worst case) into a
new database. ``hanging`` waits for ever at its first trial, ``failing`` raises each time, ``tensorboard`` writes all.
The end of a sweep, which waits a bounded time for trackers, is not in the seconds. Ratios of pairs taken in turns
hold on a busy machine too, with a wider spread. Long trainings tell what a tracker costs a trial from what its start
costs. MLflow and W&B are measured where they are installed (`.venv-trackers/bin/python`, see `make trackers-test`).

    python benchmarks/tracking.py            # writes benchmarks/results/tracking.json
    python benchmarks/tracking.py --quick    # two pairs
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from results_db.store import Store  # noqa: E402
from search_space.spaces import load_space, select  # noqa: E402
from sweep.planning import stored_plan  # noqa: E402
from sweep.planning.data import load_data  # noqa: E402
from sweep.running.driver import Driver, DriverSettings  # noqa: E402
from sweep.running.events import DriverEvent, EventKind  # noqa: E402
from sweep.tracking import by_name  # noqa: E402
from sweep.tracking.tracker import TrackedTrial, Tracker  # noqa: E402
from sweep.tracking.tracking import Tracking  # noqa: E402
from workers.training.recipe import recipe_for  # noqa: E402

CONFIGS = 24
STEPS = 200


class Hanging(Tracker):
    def put(self, trial: TrackedTrial) -> None:
        threading.Event().wait()


class Failing(Tracker):
    def put(self, trial: TrackedTrial) -> None:
        raise OSError("no such server")


KINDS: dict[str, Callable[[str], Tracker] | None] = {
    "hanging": Hanging,
    "failing": Failing,
    **{name: None for name in ("tensorboard", "mlflow", "wandb") if find_spec(name)},
}
CASES = ((STEPS, 11), (10 * STEPS, 5))
"""Training steps of a trial, and how many pairs."""


def seconds(kind: str, folder: Path, steps: int = STEPS) -> float:
    """Seconds that the driver takes, with the tracker (empty: without one)."""
    from sweep.executors import by_name as executors

    data = load_data(None, ("embedded-train",), ("embedded-test",), strict=False)
    recipe = recipe_for("smoke").with_changes(name="tracked", steps=steps)
    configs = select(load_space("paper").configs, ("eSR-MAX", "eSR-TM"), (2,), None, CONFIGS)
    plan = stored_plan.make_plan("paper", configs, recipe, data, root=None, pack_size=4)
    with Store.open(folder / "s.db") as store:
        opened = stored_plan.open_plan(store, plan, data)
        asked = (f"{kind}={folder}",) if kind else ()
        tracking = Tracking(store, opened.row, asked, lambda text: None)

        def listen(event: DriverEvent) -> None:
            if event.kind is EventKind.DONE:
                tracking.put(event.trial)

        executor = executors.make_executor("inline", executors.worker_data(data), "local", 1.0, 0.0)
        began = time.perf_counter()
        report = Driver(opened, executor, DriverSettings(pack_size=4), listen).run()
        took = time.perf_counter() - began
        assert report.done == CONFIGS
        # Not the minute that a sweep would wait: a hanging tracker stays behind in this process.
        for follower in tracking._followers:
            follower.close(lambda tracker: None, 60, 1.0)
    return took


def pairs(kind: str, steps: int, count: int) -> list[tuple[float, float]]:
    """Seconds with and without, of each pair."""
    taken_in_turns = []
    for number in range(count):
        taken: dict[str, float] = {}
        for each in (kind, "") if number % 2 else ("", kind):
            with tempfile.TemporaryDirectory() as folder:
                taken[each] = seconds(each, Path(folder), steps)
        taken_in_turns.append((taken[kind], taken[""]))
    return taken_in_turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    make = by_name.make
    by_name.make = lambda name: kind(name) if (kind := KINDS[name.partition("=")[0]]) else make(name)
    with tempfile.TemporaryDirectory() as folder:
        seconds("", Path(folder))  # the first compiles
    rows = []
    for steps, count in CASES[:1] if asked.quick else CASES:
        for kind in KINDS:
            taken = pairs(kind, steps, 2 if asked.quick else count)
            low, middle, high = statistics.quantiles([one / other for one, other in taken], n=4)
            rows.append(
                {
                    "tracker": kind,
                    "steps": steps,
                    "pairs": len(taken),
                    "seconds_without": round(statistics.median(other for _, other in taken), 2),
                    "more_seconds_median": round(statistics.median(one - other for one, other in taken), 2),
                    "ratio_median": round(middle, 3),
                    "q25": round(low, 3),
                    "q75": round(high, 3),
                }
            )
    measurements = {"configs": CONFIGS, "rows": rows}
    print(json.dumps(measurements, indent=2))
    if not asked.quick or os.environ.get("EDGE_SWEEP_BENCH_OUT"):
        from benchmarks._record import record

        record("tracking", measurements, ("torch", "tensorboardX", "sqlalchemy"))


if __name__ == "__main__":
    main()
