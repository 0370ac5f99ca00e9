"""What a suggestion among 5,000 candidates costs: results/suggestion_cost.json.

    python benchmarks/suggestion_cost.py [--quick] [--out FOLDER]

The candidates are drawn from million.yaml, their values are made from their sizes with some scatter: only the time
counts, so nothing is trained. CPU seconds of the whole loop per config tried, the study in memory.
"""

from __future__ import annotations

import argparse
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import _record
import numpy as np

from search_space.costs.describe import describe
from search_space.spaces import load_space, select
from sweep.search import DEFAULT_BATCH
from sweep.search.encoding import encoding
from sweep.search.objectives import parse_objectives
from sweep.search.replay import replay
from sweep.search.replay_table import ReplayTable
from sweep.search.samplers import SamplerName

SPACE = Path(__file__).parent / "million.yaml"
SAMPLERS = ("frontier", "frontier-blind")
OBJECTIVES = ("psnr:made,fps:made", "psnr:made,fps:made,power:made")


def made(objectives: str, candidates: int) -> ReplayTable:
    """A table of so many configs: quality rises and speed falls with size."""
    rng = np.random.default_rng(0)
    space = load_space(str(SPACE))
    configs = select(space.draw(4 * candidates, 0), sample=candidates, seed=0)
    macs = np.log([describe(config).macs_full_hd for config in configs])
    size = (macs - macs.mean()) / macs.std()
    columns = {
        "psnr": 30 - np.exp(-size / 2) + 0.1 * rng.standard_normal(len(configs)),
        "fps": 30 * np.exp(-size + 0.2 * rng.standard_normal(len(configs))),
        "power": 5 * np.exp(size / 4 + 0.1 * rng.standard_normal(len(configs))),
    }
    axes = parse_objectives(objectives)
    facts = {config: {o: float(columns[o.kind][i]) for o in axes} for i, config in enumerate(configs)}
    return ReplayTable("made", tuple(axes), facts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.out:
        _record.RESULTS = options.out
    candidates, budgets, samplers = (200, (8,), SAMPLERS[:1]) if options.quick else (5000, (40, 200), SAMPLERS)
    rows = []
    for objectives in OBJECTIVES:
        table = made(objectives, candidates)
        encoded = encoding(load_space(str(SPACE)), table.scale)
        for sampler in samplers:
            for budget in budgets:
                found = replay(table, SamplerName(sampler), budget, 0, encoded, DEFAULT_BATCH)
                row = {"sampler": sampler, "objectives": len(table.objectives), "candidates": len(table.facts)}
                seconds = round(found.seconds_per_suggestion, 4)
                rows.append({**row, "trials": budget, "seconds_per_suggestion": seconds})
                print(rows[-1], flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    measurements = {"batch": DEFAULT_BATCH, "peak_memory_mib": round(peak), "rows": rows}
    print(_record.record("suggestion_cost", measurements, ("optuna", "numpy", "scipy")))


if __name__ == "__main__":
    main()
