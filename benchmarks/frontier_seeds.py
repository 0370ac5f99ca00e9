"""How sure each place on the frontier of the full sweep is, from further seeds of its members and near rivals.

    python benchmarks/frontier_seeds.py --space runs/frontier.yaml          # writes the space of the 250 nearest
    sweep run --space runs/frontier.yaml --recipe evening --name frontier-seeds --seed 1 --seed 2 --no-benchmark \\
        --data-root ~/sr --train T91 --train General100 --test Set5 --test Set14 --test BSDS100 --db runs/evening.db
    python benchmarks/frontier_seeds.py                                     # writes results/frontier_seeds.json

Near is: the least dB that a network would have to gain on Set5 to be on the frontier of its scale on one of the devices
(published speeds of three, and those of whole scales measured into the store).
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

from _bench import published_fps
from _record import record
from full_sweep import SCALES, SETS, known_speeds, read_options

from analysis.measures.frontier import frontier
from analysis.measures.seed_spread import membership, standard_errors
from analysis.reading.models import UNTRAINED
from analysis.reading.results import between_seeds
from results_db.reading.frames import results
from results_db.store import Store
from search_space import parse_id

SURE = 0.9
Speeds = dict[str, dict[str, float]]


def missing_db(quality: dict[str, float], speeds: Speeds) -> dict[str, float]:
    """By config: dB below the best of those at least as fast, on the device where that is least; 0 on a frontier."""
    out: dict[str, float] = {}
    for fps in speeds.values():
        for scale in SCALES:
            best = float("-inf")
            ids = [i for i in fps if i in quality and parse_id(i).scale == scale]
            for config in sorted(ids, key=lambda i: (-fps[i], -quality[i])):
                best = max(best, quality[config])
                out[config] = min(out.get(config, float("inf")), best - quality[config])
    return out


def write_space(path: Path, quality: dict[str, float], speeds: Speeds, count: int) -> None:
    """The ``count`` configs nearest to a frontier, as a space."""
    gaps = missing_db(quality, speeds)
    trained = [config for config in gaps if not config.startswith("Bicubic")]
    chosen = sorted(trained, key=lambda config: (gaps[config], config))[:count]
    lines = ["name: frontier", "grids:", "  - ids:", *(f"      - {config}" for config in chosen)]
    path.write_text("\n".join(lines) + "\n")
    members, farthest = sum(gaps[config] == 0 for config in trained), gaps[chosen[-1]]
    print(f"{members} members of a frontier; {len(chosen)} configs, the farthest {farthest:.3f} dB below one: {path}")


def memberships(
    values: dict[str, list[float]], spread: dict[int, dict[str, float]], speeds: Speeds
) -> list[dict[str, Any]]:
    """Per device and scale: how sure the places of the frontier of mean quality are."""
    rows = []
    for device, fps in speeds.items():
        for scale in SCALES:
            ids = [i for i in fps if i in values and parse_id(i).scale == scale]
            if not ids or scale not in spread:
                continue
            points = [(fps[i], fmean(values[i])) for i in ids]
            families = [i.split("_")[0] for i in ids]
            shares = membership(points, standard_errors(spread[scale], families, [len(values[i]) for i in ids]))
            members = frontier(points).members
            likely = {ids[k] for k in (shares >= 0.5).nonzero()[0]} - {ids[m] for m in members}
            rows.append({
                "device": device, "scale": scale, "members": len(members),
                "sure": sum(float(shares[m]) >= SURE for m in members),
                "families": dict(Counter(families[m] for m in members)),
                "sure_by_family": dict(Counter(families[m] for m in members if shares[m] >= SURE)),
                "of_one_seed": sum(len(values[ids[m]]) == 1 for m in members),
                "places": [[ids[m], *(round(float(x), 3) for x in (*points[m], shares[m]))] for m in members],
                "others_as_likely_as_not": sorted(likely),
            })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", type=Path, help="only write the space of the nearest configs")
    parser.add_argument("--count", type=int, default=250)
    asked = read_options(parser)
    with Store.open(asked.db, readonly=True) as store:
        rows = results(store, source="ours")
    speeds = known_speeds(published_fps(), rows)
    trials = rows.drop_duplicates("trial")
    values = {str(config): some["psnr:Set5"].tolist() for config, some in trials.groupby("config")}
    if asked.space is not None:
        write_space(asked.space, {config: fmean(some) for config, some in values.items()}, speeds, asked.count)
        return
    known = between_seeds(trials)
    spread = {scale: known[scale, "psnr:Set5"] for scale in SCALES if (scale, "psnr:Set5") in known}
    measurements = {
        "configs_with_several_seeds": sum(len(some) > 1 for some in values.values()),
        "seeds": sorted({int(seed) for seed in trials["seed"].dropna()}),
        "spread_db": {
            name: {f"{family or 'all'} x{scale}": round(sigma, 4)
                   for (scale, column), of in sorted(known.items()) if column == f"psnr:{name}"
                   for family, sigma in sorted(of.items()) if family not in UNTRAINED}
            for name in SETS
        },
        "frontiers": memberships(values, spread, speeds),
        "psnr_set5": {config: [round(value, 4) for value in some] for config, some in values.items() if len(some) > 1},
    }  # fmt: skip
    if not asked.quick:
        print(record("frontier_seeds", measurements, ("torch", "numpy")))
    for row in measurements["frontiers"]:  # type: ignore[attr-defined]
        print(f"{row['device']} x{row['scale']}: {row['sure']} of {row['members']} places are sure ({SURE:.0%})")


if __name__ == "__main__":
    main()
