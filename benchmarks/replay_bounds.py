"""How far a search of the tables of replay_heldout.py can get: results/replay_bounds.json.

    python benchmarks/replay_bounds.py [--quick] [--out FOLDER] [--file tests.pkl] [--split report]

Two searches that nobody can make, both told the costs, choosing one config at a time by the growth of the hypervolume:
``knowing_all`` knows every result; ``knowing_the_others`` foretells each config from 19 of 20 of all results, but not
from its own. What the second one misses is what this model cannot foretell of a training, its luck above all.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import _record
import numpy as np
from _search_tables import ROOT, Case, kept_cases

from sweep.search.features import Array, features
from sweep.search.hypervolume import hypervolume
from sweep.search.improvement import Excess, by_cells, excess_of_known
from sweep.search.surrogate import Surrogate
from sweep.search.tables import published_file

FOLDS = 20
"""A twentieth of the configs is foretold from all others."""
KERNELS = 16


def knowing_all(case: Case) -> float:
    """The hypervolume ratio that the case's budget reaches when every result is known."""
    axes = case.table.axes[case.table.feasible]
    return reached(case, [excess_of_known(column) for column in axes.T], axes)


def knowing_the_others(case: Case) -> float:
    """The same when of each config only the costs are known, and the results of 19 of 20 other configs beside."""
    table = case.table
    configs = [config for config, keeps in zip(table.facts, table.feasible, strict=True) if keeps]
    axes = np.array([[o.axis(table.observed[config][o]) for o in table.objectives] for config in configs])
    columns = list(zip(table.objectives, axes.T, strict=True))
    described = features(configs, [column for objective, column in columns if not objective.needs_training])
    fold = np.random.default_rng(0).permutation(len(configs)) % FOLDS
    excesses = [
        foretold(Surrogate(described, draws=KERNELS, trend=1.0), column, fold)
        if objective.needs_training
        else excess_of_known(column)
        for objective, column in columns
    ]
    return reached(case, excesses, axes)


def foretold(model: Surrogate, values: Array, fold: Array) -> Excess:
    """The expected excess of each of ``values`` (n,), foretold from those of the other folds (n,)."""
    beliefs = []
    for k in range(FOLDS):
        others, own = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        beliefs.append((own, model.posterior(others.tolist(), values[others]).of(own)))

    def excess(level: float) -> Array:
        out = np.empty(len(values))
        for own, belief in beliefs:
            out[own] = belief.expected_excess(level)
        return out

    return excess


def reached(case: Case, excesses: list[Excess], seen: Array) -> float:
    """The ratio after the budget; ``seen`` (n, m) is told of the configs taken."""
    table = case.table
    taken: list[int] = []
    for _ in range(min(case.budget, len(seen))):
        growth = by_cells(excesses, seen[taken], table.reference)
        growth[taken] = -1.0
        taken.append(int(np.argmax(growth)))
    return hypervolume(table.axes[table.feasible][taken], table.reference) / table.exhaustive


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--file", type=Path, default=published_file())
    parser.add_argument("--split", choices=("develop", "report", "all"), default="report")
    options = parser.parse_args()
    if options.file is None or not options.file.is_file():
        print("replay_bounds: the published table is not here (--file tests.pkl); nothing measured")
        return
    if options.out:
        _record.RESULTS = options.out
    wanted = [c for c in kept_cases(options.file, ROOT / "build") if options.split in (c.split, "all")]
    rows = []
    for case in wanted[:1] if options.quick else wanted:
        row = {"table": case.table.name, "scale": case.table.scale, "kind": case.kind, "split": case.split}
        ratios = {bound.__name__: round(bound(case), 5) for bound in (knowing_all, knowing_the_others)}
        rows.append({**row, "configs": len(case.table.facts), "trials": case.budget, **ratios})
        print(rows[-1], flush=True)
    print(_record.record("replay_bounds", {"folds": FOLDS, "kernels": KERNELS, "rows": rows}, ("numpy", "scipy")))


if __name__ == "__main__":
    main()
