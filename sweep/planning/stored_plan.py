"""What ``sweep run`` was asked, as it is stored: trial keys and the settings a resume elsewhere needs."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results_db.records import SweepRow, TrialRow
from results_db.store import Store
from search_space import Config, parse_id
from search_space.errors import SweepError
from search_space.facts import TrialKey
from search_space.user_code import loaded
from sweep.planning import test_set_names, user_families
from sweep.planning.data import Data
from sweep.planning.packs import trial_keys
from workers.training.recipe import Recipe, code_digest, code_of


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
    code = code_digest() + user_families.digest()
    content = f"{recipe.digest}/{data.train.digest}/{code}/{[t.name for t in data.tests]}"
    label = Path(space).stem if Path(space).suffix else space
    settings = {
        "data": {
            "root": str(Path(root).resolve()) if root else None,
            "train": [part for part in data.train.name.split("+") if part],
            "tests": [images.name for images in data.tests],
            "digests": test_set_names.digests(data.tests),
        },
        "pack_size": pack_size,
        "user_code": user_families.settings_of(loaded()),
    }
    return Plan(name or f"{label}-{recipe.name}-{_short(content)}", label, recipe, keys, settings)


def store_plan(store: Store, plan: Plan, data: Data) -> int:
    """Write the sweep and its trials; again adds only test sets it had not. Returns the sweep's id.

    Raises SweepError when a sweep of that name holds other things.
    """
    before = next((row for row in store.sweeps() if row.name == plan.name), None)
    if before is not None:
        user_families.check_unchanged(before, (parse_id(key.config) for key in plan.keys))
    test_set_names.check_names(store, data.tests)
    sweep_id = store.create_sweep(
        plan.name, plan.space, plan.recipe.to_json(), git_revision(), settings=dict(plan.settings)
    )
    store.plan(sweep_id, plan.keys)
    test_set_names.note(store, sweep_id, data.tests)
    return sweep_id


def _short(text: str) -> str:
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


def newest(store: Store) -> SweepRow:
    """The sweep that ``resume`` and ``status`` mean when none is named. Raises SweepError when there is none."""
    ours = [row for row in store.sweeps() if row.source == "ours"]
    if not ours:
        raise SweepError("this database holds no sweep of ours yet; start one with `sweep run`")
    return ours[-1]


def missing(store: Store, sweep_id: int, data: Data, only: frozenset[int] | None = None) -> list[TrialRow]:
    """The trials of a sweep without a result that these images and this code can train (of ``only``, if given)."""
    basis = data.basis(Recipe.from_json(store.sweep(sweep_id).recipe_json))
    return basis.own(row for row in store.missing(sweep_id) if only is None or row.id in only)


@dataclass(frozen=True)
class Guess:
    """How long training what is missing may take."""

    seconds: float
    workers: int
    how: str


def estimate(store: Store, plan: Plan, missing: Sequence[TrialKey], workers: int) -> Guess:
    """Judged by the finished trials of the sweep, or else by a short probe on this machine."""
    from sweep.planning.duration import from_history, probe

    known: dict[str, float] = {}
    if any(row.name == plan.name for row in store.sweeps()):
        attempts = store.attempts(sweep_id=store.sweep_id(plan.name))
        known = {a.config: a.seconds for a in attempts if a.outcome == "done" and a.seconds}
    found = from_history(missing, known) or probe(missing, plan.recipe)
    return Guess(found.on(workers), workers, found.how)
