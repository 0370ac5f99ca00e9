"""``sweep status``: how far a sweep is."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli import output
from sweep.cli.options import DEFAULT_DB, Db, Json, SweepName

if TYPE_CHECKING:
    from results_db.records import SweepRow
    from results_db.store import Store
    from sweep.planning.at_work import WorkerAtWork


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("status")(status)


def status(
    name: SweepName = None,
    failed: Annotated[bool, typer.Option("--failed", help="The last error of each failed trial.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every few seconds until all is done.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.2, help="Seconds between two looks.")] = 2.0,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Counts by state, who works on it, what failed.

    Example: sweep status --watch
    """
    from results_db.store import Store

    with Store.open(db, readonly=True) as store:
        while True:
            facts = gather(store, name, failed)
            if as_json:
                output.print_json(facts, one_line=True)
            else:
                if watch:
                    output.clear_screen()
                _show(facts, failed)
            if not watch or facts["done"] + facts["failed"] >= facts["planned"]:
                return
            time.sleep(every)


def gather(store: Store, name: str | None, failed: bool) -> dict[str, Any]:
    """The facts behind the command, as JSON has them."""
    from sweep.cli.summary import count_fields
    from sweep.planning.open_sweep import find_row

    row = find_row(store, name)
    counts = store.counts(row.id)
    facts: dict[str, Any] = {
        **count_fields(counts),
        "sweep": row.name,
        "space": row.space,
        "recipe": json.loads(row.recipe_json).get("name"),
        "started": row.created_at.isoformat(timespec="seconds"),
        "database": store.url,
    }
    facts |= _training(store, row) | _costs(store, row)
    if counts.failed:
        last = store.failures(row.id)
        facts["classes"] = dict(Counter(str(attempt.failure) for attempt in last))
        if failed:
            facts["failures"] = [
                {
                    "config": attempt.config,
                    "attempt": attempt.number,
                    "class": attempt.failure,
                    "error": attempt.error,
                    "node": attempt.node,
                }
                for attempt in last
            ]
    return facts


def _training(store: Store, row: SweepRow) -> dict[str, Any]:
    """Steps, rate and time left of a sweep that is trained here; nothing of published results."""
    from search_space.errors import SweepError
    from sweep.planning.at_work import at_work
    from sweep.planning.stored_progress import stored_progress
    from workers.training.recipe import Recipe

    try:
        recipe = Recipe.from_json(row.recipe_json)
        positions = store.positions(row.id)
        known = stored_progress(recipe, store.configs_by_state(row.id), positions)
    except SweepError:  # another recipe format, or a family of a file that is not here
        return {}
    working = at_work(store.running(row.id), positions)
    drivers: Counter[str] = Counter()
    for worker in working:
        drivers[worker.driver] += len(worker.configs)
    return {
        "steps_planned": known.progress.steps_planned,
        "steps_done": known.progress.steps,
        "share_trained": round(known.progress.share, 4),
        "steps_per_second": round(known.steps_per_s, 1),
        "seconds_left": None if known.left_s is None else round(known.left_s),
        "drivers": dict(drivers),
        "nodes": sorted({worker.node for worker in working}),
        "workers": [_worker(worker) for worker in working],
    }


def _worker(worker: WorkerAtWork) -> dict[str, Any]:
    return {
        "driver": worker.driver,
        "node": worker.node,
        "device": worker.device,
        "number": worker.number,
        "trials": len(worker.configs),
        "doing": worker.doing,
        "seconds": round(max(0.0, time.time() - worker.since)),
        "steps_per_second": None if worker.steps_per_s is None else round(worker.steps_per_s, 1),
    }


def _costs(store: Store, row: SweepRow) -> dict[str, Any]:
    """What the attempts cost; nothing of results that were imported."""
    from results_db.reading.costs import costs

    known = costs(store, row.id)
    hours: dict[str, Any] = {"core_hours": round(known.core_hours, 4), "gpu_hours": round(known.gpu_hours, 4)}
    hours["energy_kwh"] = None if known.energy_kwh is None else round(known.energy_kwh, 4)
    return {**hours, "attempts_not_counted": known.not_counted} if known.attempts else {}


def _show(facts: dict[str, Any], failed: bool) -> None:
    share = 100 * facts["done"] / facts["planned"] if facts["planned"] else 0
    output.print_text(f"sweep {facts['sweep']} (space {facts['space']}, recipe {facts['recipe']})")
    output.print_text(
        f"{facts['done']} of {facts['planned']} done ({share:.0f} %), {facts['running']} running, "
        f"{facts['pending']} pending, {facts['failed']} failed"
    )
    if "steps_planned" in facts:
        output.print_text(training_in_words(facts))
    if "core_hours" in facts:
        output.print_text(_costs_in_words(facts))
    if facts.get("workers"):
        _show_workers(facts)
    for failure, count in facts.get("classes", {}).items():
        output.print_text(f"  {failure}: {count}")
    if failed and facts.get("failures"):
        rows = [
            [row["config"], str(row["attempt"]), str(row["class"]), row["error"] or ""] for row in facts["failures"]
        ]
        output.print_table(["config", "attempt", "class", "last error"], rows, left=4)


def _show_workers(facts: dict[str, Any]) -> None:
    from sweep.planning.in_words import in_words

    workers = facts["workers"]
    for owner, count in facts["drivers"].items():
        mine = [worker for worker in workers if worker["driver"] == owner]
        nodes = len({worker["node"] for worker in mine})
        words = f"{count} trials in training by {len(mine)} worker(s) on {nodes} node(s)"
        output.print_text(f"driver {owner}: {words}")
        for worker in mine:
            where = " ".join(str(worker[key]) for key in ("node", "device", "number") if worker[key])
            rate = f", {worker['steps_per_second']:,.0f} steps/s" if worker["steps_per_second"] else ""
            output.print_text(f"  {where}: {worker['doing']}{rate}, for {in_words(worker['seconds'])}")


def training_in_words(facts: dict[str, Any]) -> str:
    """Steps, rate and time left."""
    from sweep.planning.in_words import in_words

    text = f"{facts['steps_done']:,} of {facts['steps_planned']:,} training steps"
    text += f" ({100 * facts['share_trained']:.0f} % of the work)"
    if facts["steps_per_second"]:
        text += f", {facts['steps_per_second']:,.0f} steps/s"
    left = facts["seconds_left"]
    if left:
        text += f", about {in_words(left)} left"
    return text


def _costs_in_words(facts: dict[str, Any]) -> str:
    text = f"{facts['core_hours']:.3g} core-hours"
    if facts["gpu_hours"]:
        text += f", {facts['gpu_hours']:.3g} GPU-hours"
    if facts["energy_kwh"] is not None:
        text += f", {facts['energy_kwh']:.3g} kWh"
    if facts["attempts_not_counted"]:
        text += f" (without {facts['attempts_not_counted']} attempts that were stopped)"
    return text
