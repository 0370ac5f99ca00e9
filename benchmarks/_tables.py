"""Tables of docs/ (chaos, quality, the-sweep, security, resume, scale, search), from measurements.

``python benchmarks/_tables.py`` writes them between the marks ``<!-- table: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FAULTS = {
    "worker": "kill -9 of a training process",
    "raylet": "kill -9 of a node's raylet (the node starts again)",
    "head": "kill -9 of the cluster's control service (the whole cluster starts again)",
    "driver": "kill -9 of the driver (`sweep resume` starts it again)",
    "link": "a node's cable pulled for 1 to 7 s",
    "sleep": "a worker that never answers again (SIGSTOP)",
    "disk-full": "the disk of the database full for 2 to 4 s",
    "database": "SQLite locked by another program for 1 to 3 s; PostgreSQL drops every connection",
    "clock": "the driver's clock jumps by up to two hours",
    "duplicate": "the result of a finished trial again, with other values",
    "late": "the result of an attempt that was taken over",
    "drain": "a spot machine that is told it goes in 5 s, goes, and comes back",
    "late-node": "a machine that is off for 4 to 10 s and comes late",
    "worker-disk": "the disk of a worker's machine full for 3 to 6 s",
    "oom": "the kernel kills a training process for want of memory",
    "vanished": "the database's file moved away until the driver ends, then brought back",
    "stuck-start": "a worker killed, and the one in its place never answers",
    "gpu-error": "an engine that fails as a GPU does whose driver failed",
    "black-hole": "a machine that fails whatever it gets for 12 s, is given up, and starts anew",
}


SPREAD = ("median", "least", "most")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def chaos(found: dict[str, Any]) -> str:
    """Faults by kind, then the reckoning by part."""
    kinds = [
        (words, of["faults"], f"{of['median_seconds']:.1f} s", f"{of['worst_seconds']:.1f} s")
        for kind, words in FAULTS.items()
        if (of := found["by_kind"].get(kind))
    ]
    times = found["recovery_seconds"]
    kinds.append(("all", found["faults"], f"{times['median']:.1f} s", f"{times['worst']:.1f} s"))
    counted = ("trials", "faults", "attempts", "drivers", "lost", "duplicated", "different", "other_bits")
    parts = [[f"{p['part']}, packs of {p['pack_size']}", *(p[name] for name in counted)] for p in found["parts"]]
    parts.append(["sum", *(sum(p[name] for p in found["parts"]) for name in counted)])
    return "\n\n".join(
        (
            table(("fault", "times", "recovered after (median)", "worst"), kinds),
            table(("part", *(name.replace("_", " ") for name in counted)), parts),
            f"Largest difference of a value: {found['worst_difference_db']:.1e} dB. Faults not recovered from within "
            f"120 s: {found['unrecovered']}. Forged results taken: {found['forged_accepted']}.",
        )
    )


def fuzz(found: dict[str, Any]) -> str:
    """Inputs and crashes by target."""
    engines = found["engines"]
    rows = []
    for name in dict.fromkeys(row["target"] for row in found["rows"]):
        by_engine = {row["engine"]: row for row in found["rows"] if row["target"] == name}
        crashes = sum(row["crashes"] for row in by_engine.values())
        rows.append([name, *(f"{by_engine[engine]['inputs']:,}" for engine in engines), crashes])
    sums = [sum(row["inputs"] for row in found["rows"] if row["engine"] == engine) for engine in engines]
    rows.append(["all", *(f"{total:,}" for total in sums), found["crashes"]])
    return table(("target", *(f"inputs ({engine})" for engine in engines), "crashes"), rows)


def store_load(found: dict[str, Any]) -> str:
    """The growth curve."""
    names = ("status_s", "plan_s", "plot_s", "frame_s", "peak_mib")
    rows = [[row["engine"], f"{row['trials']:,}", *(row[name] for name in names)] for row in found["rows"]]
    head = ("store", "trials", "status, s", "resume plan, s", "plot, s", "all results, s", "peak, MiB")
    return f"{table(head, rows)}\n\n{measured(found)}"


def measured(found: dict[str, Any]) -> str:
    """When, with which code and where."""
    machine = found["machine"]
    return f"Measured on {found['date'][:10]}, revision {found['git']}, {machine['cpu']}, {machine['cores']} cores."


def scale(found: dict[str, Any]) -> str:
    """A row per engine, drivers, trials and kind of packs."""
    head = (
        *("store", "drivers", "workers", "trials", "packs", "trials/s", "states/s", "busy", "plan, s", "resume, s"),
        *("peak, MiB", "database, MiB", "driver CPU, ms", "server CPU, ms"),
    )
    names = ("trials_per_s", "checkpoints_per_s", "busy_share", "plan_s", "resume_s", "peak_mib", "database_mib")
    cpu = ("driver_cpu_ms_per_trial", "server_cpu_ms_per_trial")
    rows = [
        [row["engine"], row["drivers"], row["workers"], f"{row['trials']:,}", row["packs"]]
        + [row[name] for name in names]
        + ["" if row[name] is None else row[name] for name in cpu]
        for row in found["rows"]
    ]
    return table(head, rows)


def replay(found: dict[str, Any]) -> str:
    """Median of the hypervolume at the whole budget, by table and sampler, with quartiles for the default."""
    budget = max(row["trials"] for row in found["rows"])
    last = {(r["table"], r["scale"], r["sampler"]): r for r in found["rows"] if r["trials"] == budget}
    samplers = list(dict.fromkeys(row["sampler"] for row in found["rows"]))
    rows = []
    for device, scale in dict.fromkeys((r["table"], r["scale"]) for r in found["rows"]):
        cells = [f"{last[device, scale, s]['hypervolume_ratio_median']:.3f}" for s in samplers]
        best = last[device, scale, samplers[0]]
        cells[0] += f" ({best['q25']:.3f} to {best['q75']:.3f})"
        rows.append([f"{device} x{scale}", *cells])
    return table(("table", *samplers), rows)


def held_out(found: dict[str, Any]) -> str:
    """The default and random search on test sets that no setting was chosen on."""
    rows: dict[tuple[str, str, int], dict[str, float]] = {}
    for r in found["held_out_at_budget"]:
        rows.setdefault((r["dataset"], r["table"], r["scale"]), {})[r["sampler"]] = r["hypervolume_ratio_median"]
    return table(
        ("test set", "table", "frontier", "random"),
        [[d, f"{t} x{s}", f"{of['frontier']:.3f}", f"{of['random']:.3f}"] for (d, t, s), of in rows.items()],
    )


def replay_heldout(found: dict[str, Any]) -> str:
    """The report split: summary by sampler and batch, then the medians of every table."""
    columns = ("tables", "median", "worst", "at_least_0.99", "first", "first_within_spread", "seconds_per_suggestion")
    summaries = [line for line in found["summary"] if line["split"] == "report"]
    rows = [row for row in found["rows"] if row["split"] == "report"]
    names = [f"{line['sampler']}, batch {line['batch']}" for line in summaries]
    seeds = [
        sorted({r["seeds"] for r in rows if (r["sampler"], r["batch"]) == (line["sampler"], line["batch"])})
        for line in summaries
    ]
    head = table(
        ("sampler", "seeds", *(name.replace("_", " ") for name in columns)),
        [
            [name, "-".join(map(str, dict.fromkeys((s[0], s[-1])))), *(line.get(c, "") for c in columns)]
            for name, s, line in zip(names, seeds, summaries, strict=True)
        ],
    )
    by: dict[tuple[str, int, int], dict[tuple[str, int], float]] = {}
    for r in rows:
        one = by.setdefault((r["table"], r["scale"], r["trials"]), {})
        one[r["sampler"], r["batch"]] = r["hypervolume_ratio_median"]
    bounded = json.loads((ROOT / "benchmarks" / "results" / "replay_bounds.json").read_text())["rows"]
    bounds = {(b["table"], b["scale"]): [cell(b["knowing_the_others"]), cell(b["knowing_all"])] for b in bounded}
    told, ours, whole = found["told_the_costs"], found["ours"], found["default_batch"]
    lines = []
    for (name, scale, trials), of in by.items():
        peers = {sampler: ratio for (sampler, batch), ratio in of.items() if batch == whole and sampler not in ours}
        cells = [
            *(cell(of.get(own)) for own in (("frontier", whole), ("frontier", 1))),
            best({sampler: ratio for sampler, ratio in peers.items() if sampler in told}),
            *(cell(of.get(own)) for own in (("frontier-blind", whole), ("frontier-blind", 1))),
            best({sampler: ratio for sampler, ratio in peers.items() if sampler not in told}),
            *bounds[name, scale],
        ]
        lines.append([f"{name} x{scale}", trials, *cells])
    columns = ("frontier", "batch 1", "best peer that is told", "frontier-blind", "batch 1", "best other peer")
    return head + "\n\n" + table(("table", "trials", *columns, "who knows the others", "who knows all"), lines)


def cell(ratio: float | None) -> str:
    """A ratio to three digits; nothing where there is none."""
    return "" if ratio is None else f"{ratio:.3f}"


def best(peers: dict[str, float]) -> str:
    """The largest ratio and whose it is."""
    if not peers:
        return ""
    name = max(peers, key=lambda sampler: peers[sampler])
    return f"{peers[name]:.3f} {name}"


def search_million(found: dict[str, Any]) -> str:
    """The part of the hypervolume of all searches that each reached after so many trainings."""
    counts = ("20", "40", "100", "200")
    rows = []
    for row in found["rows"]:
        ratios = (f"{row['hypervolume_ratio'][count]:.3f}" for count in counts)
        rows.append([row["sampler"], *ratios, len(row["frontier"])])
    return table(("sampler", *(f"{count} trainings" for count in counts), "on the frontier"), rows)


def suggestion_cost(found: dict[str, Any]) -> str:
    """CPU seconds per suggestion."""
    return table(
        ("sampler", "objectives", "candidates", "trials", "CPU seconds per suggestion"),
        [
            [row["sampler"], row["objectives"], f"{row['candidates']:,}", row["trials"], row["seconds_per_suggestion"]]
            for row in found["rows"]
        ],
    )


def quality(found: dict[str, Any]) -> str:
    """By family, with all configs at the end."""
    rows = [
        [name, f"{of['median']:+.2f}", f"{of['worst']:+.2f}", f"{of['best']:+.2f}"]
        for name, of in found["by_family"].items()
    ]
    best = max(of["best"] for of in found["by_family"].values())
    rows.append(
        ["**all**", f"**{found['median_delta_db']:+.2f}**", f"**{found['worst_delta_db']:+.2f}**", f"{best:+.2f}"]
    )
    return table(("family", "median", "worst", "best"), rows)


def quality_rows(rows: Sequence[dict[str, Any]]) -> str:
    """Ours minus released by config and seed."""
    sets = list(dict.fromkeys(row["dataset"] for row in rows))
    by_run: dict[tuple[str, int], dict[str, float]] = {}
    for row in rows:
        by_run.setdefault((row["config"], row["seed"]), {})[row["dataset"]] = row["ours_db"] - row["released_db"]
    lines = [
        [config + (f", seed {seed}" if seed else ""), *(f"{of[name]:+.2f}" for name in sets)]
        for (config, seed), of in by_run.items()
    ]
    return table(("config", *sets), lines)


def full_sweep(found: dict[str, Any]) -> str:
    """What it took, ours against the others by family, and the frontiers on published speeds."""
    kinds = [found[name] for name in ("against_released", "against_published", "reevaluated_against_published")]
    keys = [*[(kind, key) for kind in kinds[:2] for key in ("median", "least")], *[(kinds[2], k) for k in SPREAD]]
    rows = [
        (family, *(f"{kind['by_family'][family][key]:+.2f}" for kind, key in keys)) for family in kinds[0]["by_family"]
    ]
    whole = {"median": "median_delta_db", "least": "worst_delta_db", "most": "best_delta_db"}
    rows.append(("**all**", *(f"{kind[whole[key]]:+.2f}" for kind, key in keys)))
    released = ("re-evaluated minus published, median", "least", "most")
    head = ("family", "ours minus re-evaluated, median", "worst", "ours minus published, median", "worst", *released)
    counted = (
        f"In dB. Published are the values of the authors' table ({kinds[1]['configs']} networks); re-evaluated are the "
        f"released weights at hand under our protocol ({kinds[0]['configs']} networks)."
    )
    lines = []
    for row in found["frontiers"]:
        members = [words(row[f"{who}_families"]) for who in ("published", "ours")]
        lines.append((f"{row['device']} x{row['scale']}", *members, row["hypervolume_ratio"]))
    columns = ("frontier on Set5", "members, published quality", "members, our quality", "hypervolume ratio")
    steps = []
    published = {(row["family"], row["field"]): row for row in found["neighbours"]["published"]}
    for mine in found["neighbours"]["ours"]:
        other = published[mine["family"], mine["field"]]
        values = (f"{row['better']:.0%}, {row['median']:+.2f}, {row['least']:+.2f}" for row in (mine, other))
        steps.append((mine["family"], mine["field"], *values))
    grown = ("family", "one step up in", "ours: better, median, least", "published: better, median, least")
    smooth = "What one step up in one field gains on Set5 in dB, all else equal:"
    took = (sweep_took(found), sweep_below_bicubic(found))
    return "\n\n".join((*took, table(head, rows), counted, table(columns, lines), smooth, table(grown, steps)))


def sweep_backends(found: dict[str, Any]) -> str:
    """How fast one backend is against another on the same device, by family."""
    parts = []
    for row in found["backends"]:
        head = ("family", f"frames/s in {row['of']} over {row['over']}, median", "least", "most")
        order = ", ".join(f"{of} at {scale}" for scale, of in row["rank_correlation"].items())
        lines = [(family, *(f"{of[key]:.2f}" for key in SPREAD)) for family, of in row["ratio"].items()]
        faster = f"{row['of']} is the faster one for {row['faster']} of {row['configs']} networks"
        parts += [table(head, lines), f"On {row['device']} {faster}; rank correlation of the two: {order}."]
    return "\n\n".join(parts)


def frontier_seeds(found: dict[str, Any]) -> str:
    """How sure the places of each frontier are."""
    lines = []
    for row in found["frontiers"]:
        sure = ", ".join(
            f"{row['sure_by_family'].get(family, 0)} of {count} {family}" for family, count in row["families"].items()
        )
        others = len(row["others_as_likely_as_not"])
        lines.append((f"{row['device']} x{row['scale']}", f"{row['sure']} of {row['members']}", sure, others))
    head = ("frontier on Set5", "sure places", "by family", "others as likely as not")
    of = found["spread_db"]
    spread = [(kind, *(f"{of[name][kind]:.3f}" for name in of)) for kind in of["Set5"]]
    kinds = ("family", *(f"{name}, dB" for name in of))
    return "\n\n".join((table(head, lines), "Standard deviation between seeds of one network:", table(kinds, spread)))


def sweep_took(found: dict[str, Any]) -> str:
    """Hours, stops and attempts, and what the core-hours hold that the store does not."""
    again = [
        f"the core-hours hold every pass over {part} ({' and '.join(f'{core_s:,.0f}' for core_s in passes)} core-s), "
        "the attempts, which are those in the store, only the last"
        for part, passes in found["trained_again"].items()
    ]
    energy = f"energy: {found['energy_kwh'] or 'not known, ' + found['energy_note']}"
    text = (
        f"{found['done']} of {found['space']} configs done, {found['failed']} failed; {found['core_hours']} core-hours "
        f"in {found['wall_hours']} hours, {found['stops']} stops, {found['attempts']} attempts "
        f"({words(found['outcomes'])})"
    )
    return "; ".join((text, *again, energy)) + "."


def sweep_below_bicubic(found: dict[str, Any]) -> str:
    """Below which bicubic how many are."""
    names = ("below_bicubic", *(f"published_below_{whose}bicubic" for whose in ("", "their_", "our_")))
    ours, theirs, table_own, protocol = (", ".join(map(str, found[name].values())) for name in names)
    x3 = next(row for row in found["bicubic_db"] if (row["scale"], row["dataset"]) == (3, "Set5"))
    return (
        f"Below bicubic on Set5, Set14, BSDS100: {ours} of ours (centred bicubic, our protocol); {theirs} of the "
        "published values, against the authors' own bicubic rows, but at x3 the centred one, since theirs is shifted "
        f"by half a pixel ({x3['table']:.2f} dB on Set5, centred {x3['centred']:.2f}). Against their rows as they are "
        f"it is {table_own}, against the centred bicubic under our protocol at every scale {protocol}."
    )


def quality_heldout(found: dict[str, Any]) -> str:
    """Ours minus released on images kept back: median and worst by family and set."""
    sets = list(found["images"])
    groups = [*found["by_family"].items(), ("**all**", found["all"])]
    rows = [
        (name, of[sets[0]]["configs"], *(f"{of[each]['median']:+.2f}, {of[each]['worst']:+.2f}" for each in sets))
        for name, of in groups
    ]
    return table(("family", "networks", *sets), rows)


def words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {family}" for family, count in counts.items())


TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "full_sweep": ("docs/the-sweep.md", full_sweep),
    "full_sweep backends": ("docs/the-sweep.md", sweep_backends),
    "frontier_seeds": ("docs/the-sweep.md", frontier_seeds),
    "chaos": ("docs/chaos.md", chaos),
    "quality": ("docs/quality.md", quality),
    "quality by config": ("docs/quality.md", lambda found: quality_rows(found["rows"])),
    "quality of failures": ("docs/quality.md", lambda found: quality_rows(found["failures"])),
    "quality_heldout": ("docs/quality.md", quality_heldout),
    "quality_heldout sweep": ("docs/the-sweep.md", quality_heldout),
    "fuzz": ("docs/security.md", fuzz),
    "store_load": ("docs/resume.md", store_load),
    "scale": ("docs/scale.md", scale),
    "search_million": ("docs/search.md", search_million),
    "suggestion_cost": ("docs/search.md", suggestion_cost),
    "replay": ("docs/search.md", replay),
    "replay_heldout": ("docs/search.md", replay_heldout),
    "replay held-out": ("docs/search.md", held_out),
}


def main() -> None:
    for name, (document, write) in TABLES.items():
        file = ROOT / "benchmarks" / "results" / f"{name.split()[0]}.json"
        if not file.exists():
            print(f"{file} is not there yet")
            continue
        path = ROOT / document
        made = f"<!-- table: {name} -->\n{write(json.loads(file.read_text()))}\n<!-- end -->"
        mark = rf"<!-- table: {name} -->.*?<!-- end -->"
        path.write_text(re.sub(mark, lambda _, made=made: made, path.read_text(), flags=re.DOTALL))


if __name__ == "__main__":
    main()
