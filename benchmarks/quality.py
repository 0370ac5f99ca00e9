"""Our recipe against the released weights: the same configs trained anew, both measured under our protocol.

    python benchmarks/quality.py [--recipe NAME] [--steps N] [--shared DIR] [--quick] [--work DIR]

Trains on T91 and General100 of DIR/datasets (default ../shared), measures on Set5, Set14 and BSDS100, which nothing
here looks at before; the released values are those of released_reevaluated.json. The sample is fixed: of each family
and scale the released config a third of the way up by arithmetic, and at x2 the one four fifths up. Beside it, all
released configs that are below bicubic, to see how many of those failures are mended. Interrupted, it goes on where it
was (checkpoints in build/quality). The recipe ``paper`` goes to results/quality.json, another one to quality_NAME.json.
Rows: {config, seed, dataset, ours_db, released_db, published_db, bicubic_db}; ``failures`` are of the same form.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import _record
from rich.progress import Progress

from search_space import Config, parse_id
from workers.data.image_set import ImageSet, join, read_folder
from workers.packs import Member, pack_from_bytes, pack_to_bytes, train_pack
from workers.packs.plan import macs
from workers.quality.protocol import PROTOCOL, bicubic_psnr, evaluate
from workers.training.recipe import Recipe, recipe_for
from workers.training.train import Trained

TRAIN, TEST = ("T91", "General100"), ("Set5", "Set14", "BSDS100")
Released = dict[tuple[str, str], tuple[float, float]]
SEEDS = (0, 1)
"""The cheaper x2 config of each family is trained from the second seed too, to show the spread."""


def sample(released: list[Config]) -> list[Config]:
    """24 of the released configs: every family but bicubic, every scale."""
    groups: dict[tuple[str, int], list[Config]] = defaultdict(list)
    for config in released:
        if config.family != "Bicubic":
            groups[config.family, config.scale].append(config)
    out: list[Config] = []
    for (_, scale), group in sorted(groups.items()):
        group.sort(key=lambda config: (macs(config), config.id))
        out.append(group[len(group) // 3])
        if scale == 2:
            out.append(group[4 * len(group) // 5])
    return out


def failures(released: Released) -> list[Config]:
    """The released configs that our protocol finds below bicubic on some test set."""
    found = json.loads((Path(__file__).parent / "results" / "released_reevaluated.json").read_text())
    names = {row["config"] for row in found["rows"] if row["below_bicubic"] and (row["config"], "Set5") in released}
    return sorted((c for c in map(parse_id, names) if c.family != "Bicubic"), key=lambda c: c.id)


def train(members: list[Member], recipe: Recipe, images: ImageSet, folder: Path, shown: Progress) -> list[Any]:
    """One scale's members as a pack, from its checkpoint where there is one."""
    scale = members[0].config.scale
    seeds = sorted({member.seed for member in members})
    results: list[Any] = []
    for seed in seeds:
        mine = [member for member in members if member.seed == seed]
        kept = folder / f"x{scale}-seed{seed}-{recipe.digest}.pack"
        start = pack_from_bytes(kept.read_bytes()) if kept.exists() else None

        def keep(checkpoint: dict[str, bytes], kept: Path = kept) -> None:
            fresh = kept.with_suffix(".new")
            fresh.write_bytes(pack_to_bytes(checkpoint))
            fresh.replace(kept)

        total = max(recipe.steps_of(member.config) for member in mine)
        bar = shown.add_task(f"x{scale}, seed {seed}, {len(mine)} configs", total=total)
        results += train_pack(
            mine,
            recipe,
            images,
            checkpoint=start,
            save=keep,
            save_every=1000,
            progress=lambda done, bar=bar: shown.update(bar, completed=done),  # type: ignore[misc]
        )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("EDGE_SWEEP_SHARED", "../shared")))
    parser.add_argument("--recipe", default="paper", help="a shipped recipe, or a .json file (default: paper)")
    parser.add_argument("--steps", type=int, help="steps instead of the recipe's")
    parser.add_argument("--work", type=Path, default=Path("build/quality"), help="folder for checkpoints")
    parser.add_argument("--quick", action="store_true", help="300 steps, Set5 only")
    parser.add_argument("--judge", type=Path, metavar="FILE", help="an earlier result: its rows, judged anew")
    asked = parser.parse_args()
    if asked.judge:
        found = json.loads(asked.judge.read_text())
        released = _released()
        for row in (row for row in found["rows"] + found.get("failures", []) if "dataset" in row):
            row["released_db"], row["published_db"] = released[row["config"], row["dataset"]]
        recipe = Recipe.from_json(json.dumps(found["recipe"]))
        rows = found["rows"] + found.get("failures", [])
        _write(rows, recipe, {row["config"] for row in found["rows"]}, found["seconds"], found["git"])
        return
    if not (asked.shared / "datasets").is_dir():
        sys.exit(f"quality: no {asked.shared / 'datasets'}: give --shared DIR (nothing measured)")
    recipe = recipe_for(asked.recipe)
    if asked.quick or asked.steps is not None:
        steps = 300 if asked.quick else asked.steps
        recipe = recipe.with_steps(steps).with_changes(name=recipe.name)
    asked.work.mkdir(parents=True, exist_ok=True)
    images = join("T91+General100", [read_folder(asked.shared / "datasets" / name)[0] for name in TRAIN])
    tests = [read_folder(asked.shared / "datasets" / name)[0] for name in (TEST[:1] if asked.quick else TEST)]
    released = _released()
    chosen = sample([parse_id(config) for config in sorted({config for config, _ in released})])
    failed = [config for config in failures(released) if config not in chosen]
    again = {config.family: config for config in reversed(chosen) if config.scale == 2}
    began, revision = time.perf_counter(), _record.git_revision()
    rows: list[dict[str, Any]] = []
    with Progress() as shown:
        for scale in (2, 3, 4):
            members = [Member(config) for config in [*chosen, *failed] if config.scale == scale]
            members += [Member(config, seed=SEEDS[1]) for config in again.values() if config.scale == scale]
            for result in zip(
                sorted(members, key=lambda m: m.seed), train(members, recipe, images, asked.work, shown), strict=True
            ):
                rows += _rows(*result, tests, released)
            _write(rows, recipe, {config.id for config in chosen}, time.perf_counter() - began, revision)


def _released() -> Released:
    """(config, test set) to (re-evaluated, published) dB, as ``released_reevaluated.py`` found them."""
    found = json.loads((Path(__file__).parent / "results" / "released_reevaluated.json").read_text())
    if found["protocol"] != PROTOCOL:
        sys.exit("quality: benchmarks/results/released_reevaluated.json is of another protocol: make it anew first")
    return {(row["config"], row["dataset"]): (row["psnr"], row["published_psnr"]) for row in found["rows"]}


def _rows(
    member: Member,
    result: Any,
    tests: list[ImageSet],
    released: Released,
) -> list[dict[str, Any]]:
    config = member.config
    if not isinstance(result, Trained):
        return [{"config": config.id, "seed": member.seed, "failed": str(result)}]
    return [
        {
            "config": config.id,
            "seed": member.seed,
            "dataset": images.name,
            "ours_db": round(evaluate(config, result.module, images, ("psnr",))[0].value, 4),
            "released_db": round(released[config.id, images.name][0], 4),
            "published_db": released[config.id, images.name][1],
            "bicubic_db": round(bicubic_psnr(images, config.scale), 4),
        }
        for images in tests
    ]


def _write(every: list[dict[str, Any]], recipe: Recipe, chosen: set[str], seconds: float, revision: str) -> None:
    """All that is known so far; ``revision`` of the code that trained, which the file itself does not change."""
    rows = [row for row in every if row["config"] in chosen]
    first = [row for row in rows if row["seed"] == 0 and "failed" not in row]
    deltas = [row["ours_db"] - row["released_db"] for row in first]
    second = {(r["config"], r["dataset"]): r["ours_db"] for r in rows if r["seed"] == 1 and "failed" not in r}
    spread = [abs(r["ours_db"] - second[key]) for r in first if (key := (r["config"], r["dataset"])) in second]
    extra = [row for row in every if row["config"] not in chosen]
    under = [r for r in [*first, *extra] if "failed" not in r and r["released_db"] < r["bicubic_db"]]
    by_family: dict[str, list[float]] = defaultdict(list)
    for row, delta in zip(first, deltas, strict=True):
        by_family[row["config"].split("_")[0]].append(delta)
    path = _record.record(
        "quality" if recipe.name == "paper" else f"quality_{recipe.name}",
        {
            "git": revision,
            "protocol": PROTOCOL,
            "train": list(TRAIN),
            "configs": len({row["config"] for row in first}),
            "median_delta_db": round(statistics.median(deltas), 4),
            "worst_delta_db": round(min(deltas), 4),
            "by_family": {
                name: {"median": round(statistics.median(d), 4), "worst": round(min(d), 4), "best": round(max(d), 4)}
                for name, d in sorted(by_family.items())
            },
            "below_bicubic": {
                "released": len(under),
                "mended": sum(r["ours_db"] >= r["bicubic_db"] for r in under),
                "configs": len({r["config"] for r in under}),
                "of_the_sample": sum(r["ours_db"] < r["bicubic_db"] for r in first),
            },
            "seeds_median_difference_db": round(statistics.median(spread), 4) if spread else None,
            "steps": recipe.steps,
            "family_steps": dict(recipe.family_steps),
            "recipe": asdict(recipe),
            "seconds": round(seconds, 1),
            "rows": rows,
            "failures": extra,
        },
        ("torch", "numpy"),
    )
    print(f"{len(rows)} rows in {path}: median {statistics.median(deltas):+.3f} dB, worst {min(deltas):+.3f} dB")


if __name__ == "__main__":
    main()
