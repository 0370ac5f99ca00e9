"""Whether the zoo's networks are what the code as it is trains: some trained again, their weights compared bit for bit.

    python benchmarks/retrained.py [--shared DIR] [--zoo DIR] [--quick]    # writes benchmarks/results/retrained.json

The cheapest network of each family and scale, by the zoo's recipe on T91 and General100 (DIR/datasets), in packs of a
scale. The same bytes are to be expected on a processor of the same kind with the same compiler only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from _record import record
from rich.progress import track

from search_space import Config, parse_id
from sweep.zoo.load import read
from workers.data.image_set import join, read_folder
from workers.packs import Member, train_pack
from workers.packs.plan import macs
from workers.training.recipe import Recipe
from workers.training.weights import to_bytes

ROOT = Path(__file__).parent.parent
TRAIN = ("T91", "General100")


def cheapest(ids: list[str]) -> list[Config]:
    """Of each family and scale the config with the least arithmetic; bicubic is not trained."""
    groups: defaultdict[tuple[str, int], list[Config]] = defaultdict(list)
    for config in map(parse_id, ids):
        if config.family != "Bicubic":
            groups[config.family, config.scale].append(config)
    return [min(group, key=lambda config: (macs(config), config.id)) for _, group in sorted(groups.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("EDGE_SWEEP_SHARED", "../shared")))
    parser.add_argument("--zoo", type=Path, default=ROOT / "zoo")
    parser.add_argument("--quick", action="store_true", help="scale 2, the one-layer families")
    asked = parser.parse_args()
    if not (asked.shared / "datasets").is_dir():
        sys.exit(f"retrained: no {asked.shared / 'datasets'}: give --shared DIR (nothing measured)")
    zoo = read(asked.zoo)
    stored = {key.config: hashlib.sha256(done.artifacts[0].data).hexdigest() for key, done in zoo.trials}
    configs = cheapest(list(stored))
    if asked.quick:
        configs = [config for config in configs if config.scale == 2 and config.family.startswith(("eSR-M", "eSR-T"))]
    images = join("+".join(TRAIN), [read_folder(asked.shared / "datasets" / name)[0] for name in TRAIN])
    torch.set_num_threads(1)  # as a worker has
    recipe, began = Recipe.from_json(zoo.sweep.recipe_json), time.process_time()
    rows: list[dict[str, Any]] = []
    for scale in track(sorted({config.scale for config in configs}), "training"):
        members = [Member(config) for config in configs if config.scale == scale]
        for member, result in zip(members, train_pack(members, recipe, images), strict=True):
            if isinstance(result, Exception):
                raise result
            again = hashlib.sha256(to_bytes(result.module)).hexdigest()
            rows.append({"config": member.config.id, "sha256": again, "same": again == stored[member.config.id]})
    measurements = {
        "recipe": recipe.name,
        "networks": len(rows),
        "same": sum(row["same"] for row in rows),
        "core_seconds": round(time.process_time() - began, 1),
        "rows": rows,
    }
    path = record("retrained", measurements, ("torch", "numpy"))
    print(f"{measurements['same']} of {len(rows)} networks have the same bytes: {path}")


if __name__ == "__main__":
    main()
