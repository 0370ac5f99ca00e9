"""Samplers on tables that no setting was chosen on: results/replay_heldout.json.

    python benchmarks/replay_heldout.py [--quick] [--out FOLDER] [--file tests.pkl] [--seeds 10] [--split report]
    python benchmarks/replay_heldout.py --part 1/2 & python benchmarks/replay_heldout.py --part 2/2 & wait
    python benchmarks/replay_heldout.py --seeds 0        # only writes the rows of the runs there are

Every run is kept as a line of ``--runs`` as soon as it ends, so an interrupted benchmark goes on, and more seeds or
samplers add to it. Runs of this project's own samplers count only while its code is unchanged. BoTorch and
Syne Tune are run where they are installed (``pip install botorch syne-tune`` in an environment of their own).
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import _record
import numpy as np
from _search_peers import PEERS, peer
from _search_tables import ROOT, Case, kept_cases

from sweep.search import DEFAULT_BATCH
from sweep.search.replay import replay
from sweep.search.samplers import SamplerName
from sweep.search.tables import published_file

OURS = ("frontier", "frontier-blind")
OPTUNA = ("random", "tpe", "tpe-multivariate", "nsga2", "nsga3")
TOLD = ("frontier", "botorch-qlognehvi")
"""Samplers that are told the measured costs beforehand; the others are compared with the blind ones."""
DECIDING = (
    "axis",
    "encoding",
    "features",
    "frontier_sampler",
    "improvement",
    "past_trials",
    "surrogate",
    "warp",
)
"""Modules that decide which config comes next; ``loop`` decides only how many at a time."""
SOURCES = ROOT / "sweep" / "search"


def code() -> str:
    """Digest of what decides our samplers' suggestions."""
    parts = [(SOURCES / f"{name}.py").read_bytes() for name in DECIDING]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def key(case: Case, sampler: str, batch: int, seed: int, digest: str) -> tuple[Any, ...]:
    """What names one run."""
    return (case.table.name, case.table.scale, sampler, batch, seed, digest if sampler in OURS else "")


def run(case: Case, sampler: str, batch: int, seed: int) -> dict[str, Any]:
    """One search of one table."""
    if sampler in PEERS:
        found = peer(case.table, sampler, case.budget, seed, batch)
    else:
        found = replay(case.table, SamplerName(sampler), case.budget, seed, case.encoding, batch)
    return {"ratio": found.ratio[-1], "seconds": found.seconds_per_suggestion, "trials": len(found.tried)}


def rows_of(runs: list[dict[str, Any]], chosen: list[Case], digest: str) -> list[dict[str, Any]]:
    """Median and quartiles over seeds, a row per table, sampler and batch."""
    by: dict[tuple[str, int, str, int], list[dict[str, Any]]] = {}
    for one in runs:
        if one["sampler"] not in OURS or one["code"] == digest:
            by.setdefault((one["table"], one["scale"], one["sampler"], one["batch"]), []).append(one)
    out = []
    for case in chosen:
        for (table, scale, sampler, batch), found in by.items():
            if (table, scale) != (case.table.name, case.table.scale):
                continue
            low, middle, high = np.quantile([one["ratio"] for one in found], (0.25, 0.5, 0.75))
            out.append(
                {
                    "table": table,
                    "scale": scale,
                    "kind": case.kind,
                    "split": case.split,
                    "configs": len(case.table.facts),
                    "sampler": sampler,
                    "batch": batch,
                    "trials": case.budget,
                    "hypervolume_ratio_median": round(float(middle), 5),
                    "q25": round(float(low), 5),
                    "q75": round(float(high), 5),
                    "seeds": len(found),
                    "seconds_per_suggestion": round(float(np.median([one["seconds"] for one in found])), 4),
                }
            )
    return out


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per split, sampler and batch: median and worst of the tables' medians, and on how many ours are first.

    First: no peer has a larger median at the same batch. Peers are the samplers of other libraries; those that are
    told the costs are peers only of one that is. ``first_within_spread`` also counts a table where no peer's lower
    quartile is above the sampler's upper one.
    """
    out = []
    groups = sorted({(r["split"], r["sampler"], r["batch"]) for r in rows})
    for split, sampler, batch in groups:
        mine = [r for r in rows if (r["split"], r["sampler"], r["batch"]) == (split, sampler, batch)]
        medians = [r["hypervolume_ratio_median"] for r in mine]
        first = within = compared = 0
        for row in mine:
            others = [
                r
                for r in rows
                if (r["table"], r["scale"], r["batch"]) == (row["table"], row["scale"], batch)
                and r["sampler"] not in (*OURS, sampler)
                and (sampler in TOLD or r["sampler"] not in TOLD)
            ]
            compared += bool(others)
            best = max((r["hypervolume_ratio_median"] for r in others), default=0.0)
            first += row["hypervolume_ratio_median"] >= best
            within += row["q75"] >= max((r["q25"] for r in others), default=0.0)
        out.append(
            {
                "split": split,
                "sampler": sampler,
                "batch": batch,
                "tables": len(mine),
                "median": round(float(np.median(medians)), 5),
                "worst": min(medians),
                "at_least_0.99": sum(m >= 0.99 for m in medians),
                **({"first": first, "first_within_spread": within} if sampler in OURS and compared else {}),
                "seconds_per_suggestion": round(float(np.median([r["seconds_per_suggestion"] for r in mine])), 4),
            }
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--file", type=Path, default=published_file())
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--split", choices=("develop", "report", "all"), default="report")
    parser.add_argument("--samplers", nargs="*", default=[*OURS, *OPTUNA])
    parser.add_argument("--batches", nargs="*", type=int, default=[DEFAULT_BATCH])
    parser.add_argument("--tables", nargs="*", help="Only tables whose name contains one of these.")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="Start no further run after so long.")
    parser.add_argument("--part", default="1/1", help="1/2 and 2/2 share the work between two processes.")
    parser.add_argument("--runs", type=Path, default=_record.RESULTS / "replay_heldout.jsonl")
    options = parser.parse_args()
    if options.file is None or not options.file.is_file():
        print("replay_heldout: the published table is not here (--file tests.pkl); nothing measured")
        return
    if options.out:
        _record.RESULTS = options.out
        options.runs = options.out / "replay_heldout.jsonl"
    chosen = kept_cases(options.file, ROOT / "build")
    wanted = [c for c in chosen if options.split in (c.split, "all")]
    wanted = [c for c in wanted if not options.tables or any(text in c.table.name for text in options.tables)]
    if options.quick:
        wanted, options.seeds, options.samplers = wanted[:1], 2, ["frontier", "random"]
    options.runs.parent.mkdir(parents=True, exist_ok=True)
    digest = code()
    runs = [json.loads(line) for line in options.runs.read_text().splitlines()] if options.runs.exists() else []
    done = {(r["table"], r["scale"], r["sampler"], r["batch"], r["seed"], r["code"]) for r in runs}
    began = time.monotonic()
    part, parts = (int(number) for number in options.part.split("/"))
    for seed, case in itertools.islice(itertools.product(range(options.seeds), wanted), part - 1, None, parts):
        for sampler, batch in itertools.product(options.samplers, options.batches):
            name = key(case, sampler, batch, seed, digest)
            if name in done or time.monotonic() - began > 60 * options.minutes:
                continue
            labels = dict(zip(("table", "scale", "sampler", "batch", "seed", "code"), name, strict=True))
            one = {**labels, **run(case, sampler, batch, seed)}
            runs.append(one)
            with options.runs.open("a") as file:
                file.write(json.dumps(one) + "\n")
    if parts > 1:
        print(f"part {options.part} is done; --seeds 0 writes the rows of all parts")
        return
    rows = rows_of(runs, chosen, digest)
    measurements = {
        "plane": "axes as the search has them: logarithms of costs, quality as it is; larger is better",
        "reference_point": "the worst value of each axis over the feasible configs of a table",
        "budget": "a tenth of a table's configs, rounded down",
        "split": "by the SHA-256 of a table's name; tables of the first settings are always develop",
        "noise": "0.15 dB and 10 % (standard deviations)",
        "tables": {split: sum(c.split == split for c in chosen) for split in ("develop", "report")},
        "told_the_costs": list(TOLD),
        "ours": list(OURS),
        "default_batch": DEFAULT_BATCH,
        "summary": summary(rows),
        "rows": rows,
    }
    print(_record.record("replay_heldout", measurements, ("optuna", "botorch", "syne-tune", "numpy", "scipy")))
    for line in measurements["summary"]:
        print(line)


if __name__ == "__main__":
    main()
