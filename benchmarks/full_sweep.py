"""What the full sweep of the paper's space by the recipe ``evening`` took, and how its networks compare.

    python benchmarks/full_sweep.py [--db runs/evening.db] [--log runs/full-sweep.jsonl]

Against the released weights (re-evaluated under our protocol: released_reevaluated.json) and the published values
(EDGE_SWEEP_SHARED, another protocol: docs/quality.md), and the frontiers on the published speeds of three devices and
on those measured here (devices and backends with a whole scale in the store), once with the published quality and
once with ours. ``neighbours``: of pairs of networks that differ by one step in one field, the share in which the
larger is better, and the median and least gain.

Ours are held against the centred bicubic under our protocol (``bicubic_psnr`` of released_reevaluated.json). The
published values are of another protocol, so they are held against the table's own Bicubic rows; but its ``Bicubic_s3``
is shifted by half a pixel and over 1 dB too low, so that at x3 the centred one takes its place:
``published_below_bicubic``. Beside it are the counts against the table's rows as they are, and against the centred one
under our protocol at every scale.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _bench import published_fps
from _record import record

from analysis.measures.agreement import spearman
from analysis.measures.frontier import frontier
from analysis.measures.hypervolume import hypervolume, reference
from results_db.reading.costs import costs
from results_db.reading.frames import results
from results_db.store import Store
from search_space import parse_id
from search_space.spaces import load_space
from workers.sensors.core import Unreadable
from workers.sensors.powercap import Powercap

if TYPE_CHECKING:
    import pandas as pd

SETS = ("Set5", "Set14", "BSDS100")
SCALES = (2, 3, 4)
A_PASS_S = 60.0
"""Core-seconds from which on a part of the log trained something; one that finds all done takes a few."""
Values = dict[tuple[str, str], float]
"""PSNR in dB by config and test set."""


def effort(log: Path, store: Store, sweep: int) -> dict[str, Any]:
    """What it took, from the log of scripts/full-sweep and the attempts in the store."""
    parts = [json.loads(line) for line in log.read_text().splitlines()]
    attempts = store.attempts(sweep_id=sweep)
    counts = store.counts(sweep)
    energy = costs(store, sweep).energy_kwh
    return {
        "configs": counts.planned,
        "done": counts.done,
        "failed": counts.failed,
        "core_hours": round(sum(part["cpu_s"] for part in parts) / 3600, 2),
        "wall_hours": round(sum(part["end"] - part["begin"] for part in parts) / 3600, 2),
        "stops": sum(part["status"] not in (0, 1) for part in parts),
        "attempts": len(attempts),
        "outcomes": dict(Counter(attempt.outcome for attempt in attempts)),
        "trained_again": trained_again(parts),
        "node_hours_of_training": round(sum(a.seconds or 0.0 for a in attempts if a.outcome == "done") / 3600, 2),
        "energy_kwh": energy,
        "energy_note": None if energy is not None else f"no counter told it: {why_no_energy()}",
    }


def trained_again(parts: Iterable[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Core-seconds of the passes over parts that came to their end more than once: all but the last are discarded.

    The core-hours hold them; the attempts in the store do not, as their trials were taken out of it.
    """
    passes: defaultdict[str, list[float]] = defaultdict(list)
    for part in parts:
        if part["status"] == 0 and part["cpu_s"] >= A_PASS_S:
            passes[part["part"]].append(part["cpu_s"])
    return {name: seconds for name, seconds in passes.items() if len(seconds) > 1}


def why_no_energy() -> str:
    """What keeps the energy counters of this machine from being read."""
    try:
        Powercap()
    except Unreadable as reason:
        return str(reason)
    return "the sweep ran without one"


def floors(values: Mapping[tuple[str, str], float]) -> dict[tuple[int, str], float]:
    """The table's own bicubic, by scale and set."""
    return {(scale, name): values[f"Bicubic_s{scale}", name] for scale in SCALES for name in SETS}


def x3_centred(values: Values, centred: Mapping[tuple[int, str], float]) -> dict[tuple[int, str], float]:
    """The table's own bicubic, with the centred one at x3, where the table's is shifted."""
    return {key: centred[key] if key[0] == 3 else value for key, value in floors(values).items()}


def bicubics(centred: Mapping[tuple[int, str], float], theirs: Values) -> list[dict[str, Any]]:
    """Both references in dB: the centred bicubic under our protocol, and the table's own row where it is known."""
    rows = []
    for (scale, name), value in centred.items():
        own = theirs.get((f"Bicubic_s{scale}", name))
        rows.append({
            "scale": scale, "dataset": name, "centred": round(value, 2), "table": None if own is None else round(own, 2)
        })  # fmt: skip
    return rows


def below_bicubic(values: Mapping[tuple[str, str], float], floor: Mapping[tuple[int, str], float]) -> dict[str, int]:
    """By test set, how many networks are below the bicubic of their scale."""
    trained = [(parse_id(config).scale, of, v) for (config, of), v in values.items() if not config.startswith("Bic")]
    return {name: sum(value < floor[scale, of] for scale, of, value in trained if of == name) for name in SETS}


def difference(ours: Values, theirs: Values) -> dict[str, Any]:
    """Ours minus theirs where both are known, bicubic left out."""
    deltas = {key: ours[key] - theirs[key] for key in ours if key in theirs and not key[0].startswith("Bicubic")}
    if not deltas:
        return {}
    worst = min(deltas, key=deltas.__getitem__)
    by_family = defaultdict(list)
    for (config, _), delta in deltas.items():
        by_family[config.split("_")[0]].append(delta)
    return {
        "configs": len({config for config, _ in deltas}),
        "median_delta_db": round(statistics.median(deltas.values()), 4),
        "worst_delta_db": round(deltas[worst], 4),
        "best_delta_db": round(max(deltas.values()), 4),
        "worst": list(worst),
        "share_above": round(sum(delta > 0 for delta in deltas.values()) / len(deltas), 4),
        "below_minus_0.05_db": sorted([*key, round(d, 4)] for key, d in deltas.items() if d < -0.05),
        "by_family": {
            family: {
                "median": round(statistics.median(some), 4), "least": round(min(some), 4), "most": round(max(some), 4)
            }
            for family, some in sorted(by_family.items())
        },
    }  # fmt: skip


def known_speeds(published: dict[str, dict[str, float]], table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Frames per second by device and config: published, and by "device, backend" in the store, of whole scales.

    A frontier of some of a scale's networks says nothing about the others.
    """
    planned = Counter(config.scale for config in load_space("paper").configs)
    measured = table[table["fps"].notna()]
    out = {device: published[device] for device in ("AGX", "MaxQ", "RPI") if published}
    for (device, backend), some in measured.groupby(["device", "backend"]):
        found = some.groupby("scale")["config"].nunique()
        whole = some[some["scale"].isin([scale for scale in SCALES if found.get(scale, 0) == planned[scale]])]
        if len(whole):
            out[f"{device}, {backend}"] = dict(zip(whole["config"], whole["fps"], strict=True))
    return out


def frontiers(ours: Values, theirs: Mapping[str, float], speeds: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """Per device and scale: the members of the frontier of speed and Set5 with the published quality and with ours."""
    rows = []
    for device, fps in speeds.items():
        for scale in SCALES:
            ids = [i for i in fps if parse_id(i).scale == scale and (i, "Set5") in ours and i in theirs]
            if not ids:
                continue
            points = {
                "published": [(fps[i], theirs[i]) for i in ids],
                "ours": [(fps[i], ours[i, "Set5"]) for i in ids],
            }
            members = {who: [ids[k] for k in frontier(of, True).members] for who, of in points.items()}
            floor = reference([*points["published"], *points["ours"]], True)
            volumes = {who: hypervolume(of, floor, True) for who, of in points.items()}
            rows.append({
                "device": device, "scale": scale, "configs": len(ids),
                **{f"{who}_members": len(some) for who, some in members.items()},
                "in_both": len(set(members["published"]) & set(members["ours"])),
                **{f"{who}_families": families(some) for who, some in members.items()},
                "fastest": {who: max(some, key=fps.__getitem__) for who, some in members.items()},
                "hypervolume_ratio": round(volumes["ours"] / volumes["published"], 4),
                "ours": members["ours"],
            })  # fmt: skip
    return rows


def backends(speeds: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """For each two backends of one device: how much faster the second is, and how far they agree on the order."""
    rows = []
    for one, other in combinations(sorted(name for name in speeds if ", " in name), 2):
        if one.split(", ")[0] != other.split(", ")[0]:
            continue
        both = sorted(speeds[one].keys() & speeds[other].keys())
        by_family: defaultdict[str, list[float]] = defaultdict(list)
        for config in both:
            by_family[config.split("_")[0]].append(speeds[other][config] / speeds[one][config])
        of_scale = {scale: [c for c in both if parse_id(c).scale == scale] for scale in SCALES}
        rows.append({
            "device": one.split(", ")[0], "over": one.split(", ")[1], "of": other.split(", ")[1],
            "faster": sum(speeds[other][c] > speeds[one][c] for c in both), "configs": len(both),
            "ratio": {family: {"median": round(statistics.median(of), 2), "least": round(min(of), 2),
                               "most": round(max(of), 2)} for family, of in sorted(by_family.items())},
            "rank_correlation": {
                f"x{scale}": round(spearman(*(np.array([speeds[n][c] for c in ids]) for n in (one, other))), 3)
                for scale, ids in of_scale.items() if len(ids) > 1
            },
        })  # fmt: skip
    return rows


def families(ids: Iterable[str]) -> dict[str, int]:
    """How many of each family."""
    return dict(Counter(config.split("_")[0] for config in ids))


def neighbours(values: Values) -> list[dict[str, Any]]:
    """Per family and field: what one step up in it gains on Set5, all else equal."""
    rows = []
    groups: defaultdict[tuple[str, str, Any], list[tuple[int, float]]] = defaultdict(list)
    for (config, name), value in values.items():
        if name != "Set5" or config.startswith("Bicubic"):
            continue
        family, scale, *sizes = config.split("_")
        for size in sizes:
            others = (scale, *(other for other in sizes if other != size))
            groups[family, size[0], others].append((int(size[1:]), value))
    gains: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for (family, field, _), some in groups.items():
        ordered = [value for _, value in sorted(some)]
        gains[family, field] += [after - before for before, after in pairwise(ordered)]
    for (family, field), steps in sorted(gains.items()):
        if steps:
            better = sum(step > 0 for step in steps) / len(steps)
            rows.append({"family": family, "field": field, "pairs": len(steps), "better": round(better, 3),
                         "median": round(statistics.median(steps), 4), "least": round(min(steps), 4)})  # fmt: skip
    return rows


def read_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options with those of the sweep's database; ends where ``--quick`` finds none."""
    parser.add_argument("--db", default="runs/evening.db")
    parser.add_argument("--quick", action="store_true", help="skip where there is no database")
    asked = parser.parse_args()
    if asked.quick and not Path(asked.db).exists():
        print(f"skipped: {asked.db} is not here")
        raise SystemExit(0)
    return asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, default=Path("runs/full-sweep.jsonl"))
    asked = read_options(parser)
    with Store.open(asked.db, readonly=True) as store:
        sweep = store.sweep("evening").id
        took = effort(asked.log, store, sweep)
        rows = results(store, sweep=sweep, source="ours")
    table = rows.drop_duplicates("config").set_index("config")
    ours: Values = {(c, s): float(table.loc[c, f"psnr:{s}"]) for c in table.index for s in SETS}
    known = json.loads((Path(__file__).parent / "results" / "released_reevaluated.json").read_text())
    released: Values = {(row["config"], row["dataset"]): row["psnr"] for row in known["rows"]}
    centred = {(int(x[1:]), name): value for name, of in known["bicubic_psnr"].items() for x, value in of.items()}
    published = published_fps()
    theirs: Values = {(c, s): v for s in SETS for c, v in published.get(f"psnr:{s}", {}).items()}
    speeds = known_speeds(published, rows)
    against = difference(ours, released)
    measurements = {
        "space": len(load_space("paper").configs),
        **took,
        "median_delta_db": against.get("median_delta_db"),
        "worst_delta_db": against.get("worst_delta_db"),
        "below_bicubic": below_bicubic(ours, centred),
        "published_below_bicubic": below_bicubic(theirs, x3_centred(theirs, centred)) if theirs else None,
        "published_below_their_bicubic": below_bicubic(theirs, floors(theirs)) if theirs else None,
        "published_below_our_bicubic": below_bicubic(theirs, centred) if theirs else None,
        "bicubic_db": bicubics(centred, theirs),
        "against_released": against,
        "against_published": difference(ours, theirs),
        "reevaluated_against_published": difference(released, theirs),
        "frontiers": frontiers(ours, published["psnr:Set5"], speeds) if published else [],
        "backends": backends(speeds),
        "neighbours": {"ours": neighbours(ours), "published": neighbours(theirs)},
    }
    if not asked.quick:
        print(record("full_sweep", measurements, ("torch", "ray", "numpy")))
    print({name: measurements[name] for name in ("configs", "done", "failed", "core_hours", "wall_hours", "stops")})


if __name__ == "__main__":
    main()
