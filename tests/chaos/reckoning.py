"""The reckoning: the disturbed sweep beside an undisturbed one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from sqlalchemy import select

from results_db.schema import artifact, measure, quality, trial
from results_db.store import Store
from tests.chaos.faults import FORGED
from tests.chaos.wanted import CONFIGS, Outcome, Wanted, environment, run_options
from tests.chaos.watch import planned


def undisturbed(wanted: Wanted, url: str, seeds: int, code: Path) -> None:
    """The same sweep on this machine without any fault."""
    entry = [sys.executable, "-m", "tests.chaos.entry"]
    done = subprocess.run(
        [*entry, *run_options(wanted, url, seeds)], cwd=code, capture_output=True, text=True, env=environment(code)
    )
    if done.returncode:
        raise AssertionError(done.stderr[-2000:])


TOLERANCE_DB = 0.002
"""Between a trial trained in a pack and the same trained alone, which other code does: equal but for rounding.

After the 100 steps of the short form rounding makes up to 0.0011 dB (eSR-MAX_s3_K3_C4, whose maximum may change hands).
"""

Facts = dict[tuple[str, int], dict[tuple[str, str, str], float]]


def facts(url: str) -> tuple[Facts, dict[tuple[str, int], list[str]]]:
    """What the store holds: figures by (config, seed), and the weights' digests (one each, if all is well)."""
    figures: Facts = {}
    weights: dict[tuple[str, int], list[str]] = {}
    with Store.open(url, readonly=True) as store:
        query = (
            select(
                trial.c.config, trial.c.seed, measure.c.dataset, measure.c.metric, measure.c.protocol, quality.c.value
            )
            .join(quality, quality.c.trial_id == trial.c.id)
            .join(measure, measure.c.id == quality.c.measure_id)
            .where(trial.c.state == "done")
        )
        for config, seed, *name, value in store.database.read(lambda c: c.execute(query).all()):
            row = figures.setdefault((config, seed), {})
            if tuple(name) in row:
                weights.setdefault((config, seed), []).append("duplicate figure")
            row[name[0], name[1], name[2]] = value
        kept = select(trial.c.config, trial.c.seed, artifact.c.sha256).join(artifact, artifact.c.trial_id == trial.c.id)
        for config, seed, digest in store.database.read(lambda c: c.execute(kept).all()):
            weights.setdefault((config, seed), []).append(digest)
    return figures, weights


def reckon(wanted: Wanted, url: str, code: Path, outcome: Outcome) -> None:
    """Compare with the undisturbed run: each trial exactly once, with the same figures."""
    with tempfile.TemporaryDirectory() as folder:
        calm = f"sqlite:///{folder}/calm.db"
        seeds = planned(url) // CONFIGS
        undisturbed(wanted, calm, seeds, code)
        expected, expected_weights = facts(calm)
    found, weights = facts(url)
    outcome.trials = len(expected)
    outcome.lost = len(set(expected) - set(found))
    outcome.duplicated = len(set(found) - set(expected)) + sum(len(w) - 1 for w in weights.values())
    for key in set(expected) & set(found):
        worst = max((abs(found[key].get(n, FORGED) - v) for n, v in expected[key].items()), default=0.0)
        outcome.worst_difference_db = max(outcome.worst_difference_db, worst)
        outcome.different += found[key].keys() != expected[key].keys() or worst > TOLERANCE_DB
        outcome.other_bits += weights[key] != expected_weights[key]
        outcome.forged += FORGED in found[key].values()
    with Store.open(url, readonly=True) as store:
        outcome.attempts = len(store.attempts())
