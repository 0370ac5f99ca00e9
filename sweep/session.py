"""From what a person asked (or what the store remembers) to a running driver."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results_db.rows import SweepRow, TrialRow
from results_db.store import Store
from search_space.config import Config, parse_id
from search_space.errors import SweepError
from search_space.facts import TrialKey
from search_space.user_code import loaded
from sweep import families, image_sets
from sweep.basis import Basis
from sweep.driver import Driver, Settings
from sweep.executors.carry import Images, carried
from sweep.executors.core import Executor, WorkerData
from sweep.notices import Notice
from sweep.plan import trial_keys
from workers import datasets
from workers.images import ImageSet
from workers.recipe import Recipe, code_digest, code_of


@dataclass(frozen=True)
class Data:
    """Decoded images of a sweep."""

    train: ImageSet
    tests: tuple[ImageSet, ...]

    def basis(self, recipe: Recipe) -> Basis:
        """What a trial that is trained on these images with ``recipe`` must have been planned with."""
        return Basis(recipe.digest, self.train.digest[:12])


def load_data(root: str | None, train: tuple[str, ...] = (), tests: tuple[str, ...] = (), strict: bool = False) -> Data:
    """The training set and the test sets by name; embedded photographs without a root. Raises BadData."""
    found = Data(datasets.training_set(train, root, strict), datasets.test_sets(tests, root, strict))
    common = set(_digests(found.train)) & {d for images in found.tests for d in _digests(images)}
    if common:
        raise SweepError(f"{len(common)} image(s) are in the training set and in a test set; a fair test has none")
    return found


def _digests(images: ImageSet) -> list[str]:
    return [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in images.pixels]


@dataclass(frozen=True)
class Plan:
    """A sweep as it will be stored."""

    name: str
    space: str
    recipe: Recipe
    keys: tuple[TrialKey, ...]
    settings: Mapping[str, Any]


def make_plan(
    space: str,
    configs: tuple[Config, ...],
    recipe: Recipe,
    data: Data,
    *,
    root: str | None,
    seeds: tuple[int, ...] = (0,),
    name: str | None = None,
    pack_size: int = 48,
) -> Plan:
    """What ``sweep run`` was asked. The default name changes with the recipe, the data and the training code."""
    if not configs:
        raise SweepError("the filters leave no config; see `sweep space list` with the same options")
    basis = data.basis(recipe)
    keys = trial_keys(configs, seeds, basis.recipe, basis.data, code_of)
    code = code_digest() + families.digest()
    content = f"{recipe.digest}/{data.train.digest}/{code}/{[t.name for t in data.tests]}"
    label = Path(space).stem if Path(space).suffix else space
    settings = {
        "data": {
            "root": str(Path(root).resolve()) if root else None,
            "train": [part for part in data.train.name.split("+") if part],
            "tests": [images.name for images in data.tests],
            "digests": image_sets.digests(data.tests),
        },
        "pack_size": pack_size,
        "user_code": families.settings_of(loaded()),
    }
    return Plan(name or f"{label}-{recipe.name}-{_short(content)}", label, recipe, keys, settings)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def store_plan(store: Store, plan: Plan, data: Data) -> int:
    """Write the sweep and its trials; again adds only test sets it had not. Returns the sweep's id.

    Raises SweepError when a sweep of that name holds other things.
    """
    before = next((row for row in store.sweeps() if row.name == plan.name), None)
    if before is not None:
        families.check_unchanged(before, (parse_id(key.config) for key in plan.keys))
    image_sets.check_names(store, data.tests)
    sweep_id = store.create_sweep(
        plan.name, plan.space, plan.recipe.to_json(), git_revision(), settings=dict(plan.settings)
    )
    store.plan(sweep_id, plan.keys)
    image_sets.note(store, sweep_id, data.tests)
    return sweep_id


def newest(store: Store) -> SweepRow:
    """The sweep that ``resume`` and ``status`` mean when none is named. Raises SweepError when there is none."""
    ours = [row for row in store.sweeps() if row.source == "ours"]
    if not ours:
        raise SweepError("this database holds no sweep of ours yet; start one with `sweep run`")
    return ours[-1]


def recall_data(row: SweepRow, root: str | None = None) -> Data:
    """The images of a stored sweep, from its remembered folder or from ``root``. Raises BadData.

    Whether they are the images it began with, ``basis.why_not`` and ``image_sets.check_names`` tell.
    """
    wanted = row.settings.get("data", {})
    return load_data(root or wanted.get("root"), tuple(wanted.get("train", ())), tuple(wanted.get("tests", ())))


def missing(store: Store, sweep_id: int, data: Data, only: frozenset[int] | None = None) -> list[TrialRow]:
    """The trials of a sweep without a result that these images and this code can train (of ``only``, if given)."""
    basis = data.basis(Recipe.from_json(store.sweep(sweep_id).recipe_json))
    return basis.own(row for row in store.missing(sweep_id) if only is None or row.id in only)


def worker_data(data: Data, threads: int = 1, via: str = "store", root: str | None = None) -> WorkerData:
    """What travels to every worker; ``via`` is how the images do (see ``sweep.executors.carry``)."""
    return WorkerData(carried(Images(data.train, data.tests), via, root), tuple(loaded()), threads)


def make_executor(kind: str, data: WorkerData, address: str, cpus: float, gpus: float, most: int = 0) -> Executor:
    """An executor by name, with its cluster checked first. Raises SweepError when it cannot serve."""
    if kind == "inline":
        from sweep.executors.inline import InlineExecutor

        return InlineExecutor(data)
    if kind not in ("actors", "tune"):
        raise SweepError(f"unknown executor {kind!r} (choose from actors, tune, inline)")
    from sweep import cluster

    found = cluster.connect(address)
    cluster.check(found, cpus, gpus)
    if kind == "actors":
        from sweep.executors.actors import ActorExecutor

        return ActorExecutor(data, cpus, gpus, most)
    from sweep.executors.tune import TuneExecutor

    return TuneExecutor(data, cpus, gpus)


def make_driver(
    store: Store,
    sweep_id: int,
    data: Data,
    executor: Executor,
    settings: Settings,
    listener: Callable[[Notice], None],
    only: frozenset[int] | None = None,
) -> Driver:
    """A driver for a stored sweep, with the images its workers have."""
    recipe_json = store.sweep(sweep_id).recipe_json
    basis = data.basis(Recipe.from_json(recipe_json))
    return Driver(store, sweep_id, recipe_json, basis, executor, settings, listener, only)


@dataclass(frozen=True)
class Guess:
    """How long training what is missing may take."""

    seconds: float
    workers: int
    how: str


def estimate(store: Store, plan: Plan, missing: Sequence[TrialKey], workers: int) -> Guess:
    """Judged by the finished trials of the sweep, or else by a short probe on this machine."""
    from sweep.estimate import from_history, probe

    known: dict[str, float] = {}
    if any(row.name == plan.name for row in store.sweeps()):
        attempts = store.attempts(sweep_id=store.sweep_id(plan.name))
        known = {a.config: a.seconds for a in attempts if a.outcome == "done" and a.seconds}
    found = from_history(missing, known) or probe(missing, plan.recipe)
    return Guess(found.on(workers), workers, found.how)


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
