"""What ``sweep run`` was asked for, as it is stored: trial keys and the settings that a resume elsewhere needs."""

from __future__ import annotations

import hashlib
import math
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from results_db.connection.opening import EmptyDatabase, OlderSchema
from results_db.connection.urls import parse, storable
from results_db.records import SweepRow
from results_db.store import Store
from search_space import Config, parse_id
from search_space.errors import SweepError, first_line
from search_space.facts import TrialKey
from search_space.user_code import is_users, loaded
from sweep.planning import test_set_names, user_families
from sweep.planning.data import Data
from sweep.planning.open_sweep import OpenSweep
from sweep.planning.packs import DEFAULT_PACK_SIZE, trial_keys
from sweep.planning.settings import DataSettings, SweepSettings, usual_speed_protocol
from workers.training.code_digest import code_digest, code_of
from workers.training.recipe import Recipe


@dataclass(frozen=True)
class Plan:
    """A sweep as it will be stored."""

    name: str
    space: str
    recipe: Recipe
    keys: tuple[TrialKey, ...]
    settings: SweepSettings


def make_plan(
    space: str,
    configs: tuple[Config, ...],
    recipe: Recipe,
    data: Data,
    *,
    root: str | None,
    seeds: tuple[int, ...] = (0,),
    name: str | None = None,
    pack_size: int | None = None,
    speed_protocol: str | None = None,
) -> Plan:
    """The plan of a new sweep. The default name changes with the recipe, the data and the training code."""
    if not configs:
        raise SweepError("the filters leave no config; see `sweep space list` with the same options")
    basis = data.basis(recipe)
    keys = trial_keys(configs, seeds, basis.recipe, basis.data, code_of)
    code = code_digest() + user_families.digest()
    content = f"{recipe.digest}/{data.train.digest}/{code}/{[images.name for images in data.tests]}"
    label = storable(Path(space).stem if Path(space).suffix else space)
    settings = SweepSettings(
        DataSettings(
            str(Path(root).resolve()) if root else None,
            data.train_names,
            tuple(images.name for images in data.tests),
            data.test_digests,
        ),
        pack_size or DEFAULT_PACK_SIZE,
        speed_protocol or usual_speed_protocol(recipe),
        user_families.without_passwords(loaded()),
    )
    return Plan(name or f"{label}-{recipe.name}-{_short_digest(content)}", label, recipe, keys, settings)


def store_plan(store: Store, plan: Plan, data: Data) -> int:
    """Write the sweep and its trials; a second call adds only test sets that are new. Returns the sweep's id.

    Raises SweepError when a sweep of that name holds other things.
    """
    stored = next((row for row in store.sweeps() if row.name == plan.name), None)
    if stored is not None:
        user_families.check_unchanged(stored, (parse_id(key.config) for key in plan.keys), store.url)
        _check_same_images(store, stored, plan)
    test_set_names.check_names(store, data.tests)
    sweep_id = store.create_sweep(
        plan.name, plan.space, plan.recipe.to_json(), git_revision(), settings=plan.settings.to_dict()
    )
    store.plan(sweep_id, plan.keys)
    test_set_names.remember_tests(store, sweep_id, data)
    return sweep_id


def _check_same_images(store: Store, stored: SweepRow, plan: Plan) -> None:
    """Refuse to put trials of other training images into a sweep that has some already. Raises SweepError."""
    ours = {key.data for key in plan.keys}
    if any(group.key.data not in ours for group in store.groups(stored.id)):
        raise SweepError(
            f"the training images are not those that sweep {stored.name!r} was made with: give these images a sweep of "
            "their own with --name, or bring back the others"
        )


def open_plan(store: Store, plan: Plan, data: Data) -> OpenSweep:
    """Store a plan and open its sweep, with only the trials of the plan to work on."""
    sweep = OpenSweep.of(store, store_plan(store, plan, data), data)
    # Usually the plan is all of the sweep, and a million ids need not be remembered.
    return sweep if store.counts(sweep.id).planned == len(set(plan.keys)) else sweep.narrowed(plan.keys)


def without_result(store: Store, plan: Plan) -> list[TrialKey]:
    """The keys of a plan that no sweep of the store has a result of; nothing is written."""
    done = store.done_keys(plan.keys)
    return [key for key in plan.keys if key not in done]


@contextmanager
def open_unchanged(db: str) -> Iterator[Store | None]:
    """The store at ``db`` read-only; None where there is none yet.

    A SQLite file of an older schema is copied, and the copy migrated. Raises StoreError.
    """
    path = parse(db).path
    if path is not None and not path.exists():
        yield None
        return
    with ExitStack() as opened:
        store: Store | None = None
        try:
            store = opened.enter_context(Store.open(db, readonly=True))
        except EmptyDatabase:
            pass
        except OlderSchema:
            if path is None:
                raise
            from results_db.connection.migrate import copy_file

            copy = Path(opened.enter_context(TemporaryDirectory(prefix="edge-sweep-"))) / path.name
            copy_file(path.resolve(), copy)
            store = opened.enter_context(Store.open(str(copy)))
        yield store


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def git_revision() -> str:
    """Short hash of the checkout this package lies in, or ``unknown``."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parent,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


def finished_seconds(store: Store, plan: Plan) -> dict[str, float]:
    """Seconds of training of the plan's finished trials, by config id; empty for a sweep that is not stored yet."""
    row = next((row for row in store.sweeps() if row.name == plan.name), None)
    if row is None:
        return {}
    return {a.config: a.seconds for a in store.attempts(sweep_id=row.id) if a.outcome == "done" and a.seconds}


@dataclass(frozen=True)
class WallTime:
    """How long training what is missing may take with so many workers."""

    seconds: float
    workers: int
    how: str


def estimate(plan: Plan, missing: Sequence[TrialKey], seconds: dict[str, float], workers: int, data: Data) -> WallTime:
    """Judged by ``seconds`` of finished trials of the sweep (by config id), or by packs that are trained for a moment
    on this machine; then measuring is counted too.

    Families of users are not tried here, where their code could hang or crash: their trials are left out.
    """
    from sweep.planning.duration import from_history
    from sweep.planning.pack_probe import wall_seconds
    from sweep.planning.packs import Item, packs

    known = from_history(missing, seconds)
    if known is not None:
        return WallTime(known.on(workers), workers, known.how)
    tried = [key for key in missing if not is_users(parse_id(key.config))]
    todo = packs([Item(i, key) for i, key in enumerate(tried)], plan.settings.pack_size, workers)
    left_out = len(missing) - len(tried)
    if not todo and left_out:
        return WallTime(math.nan, workers, "families of your own are tried by workers only")
    if not todo:
        return WallTime(0.0, workers, "there is nothing to train")
    try:
        wall = wall_seconds(todo, plan.recipe, data, workers)
    except Exception as error:
        # Whatever is wrong belongs to the trials, which keep it; a plan is never refused for want of an estimate.
        return WallTime(math.nan, workers, f"a pack could not be tried here: {first_line(error)}")
    how = "judged by packs that were trained here for a moment, measuring included"
    if left_out:
        how += f"; {left_out} trial(s) of families of your own, which are tried by workers only, are not counted"
    return WallTime(wall, workers, how)
