"""How long ``sweep run --space paper --recipe evening`` takes on this machine: projected from packs and from measuring.

    python benchmarks/evening.py [--shared DIR]    # writes benchmarks/results/evening.json; --quick: a few configs

All in core time on one thread, so that other work on the machine changes little; hours are
those of all cores, shared perfectly. A stratified sample of configs is timed in packs of a kind and raised to the space
(docs/decisions/036), each kind by its steps in the recipe; so are the white inputs (every ``refresh`` steps), the
fitted start, and PSNR and SSIM of Set5, Set14 and BSDS100. Start-up of workers, the database and the last packs, when
some cores have nothing left, are not in it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from search_space.config import Config  # noqa: E402

TEST = ("Set5", "Set14", "BSDS100")


def timed(work: Callable[[], Any]) -> float:
    """Core-seconds of a call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def steps_of_all(configs: Sequence[Config], recipe: Any, seconds: float, rounds: int) -> dict[str, float]:
    """Core-seconds of one step of every config of the space, by kind: the median of some rounds."""
    from benchmarks._training import pack, planned_by_kind, whole_space

    groups = planned_by_kind(configs)
    found = [
        whole_space(groups, [pack(group, recipe, seconds, time_of=time.process_time) for group in groups])
        for _ in range(rounds)
    ]
    return {kind: statistics.median(row[kind] for row in found) for kind in found[0]}


def starts_of_all(configs: Sequence[Config], recipe: Any) -> tuple[dict[str, float], dict[str, float]]:
    """Core-seconds of the fitted start, and of one refresh of white inputs, of every config of the space by kind."""
    from benchmarks._training import sampler, whole_space
    from workers.training.initialisation import fit
    from workers.training.train import START_PATCHES, initial_module
    from workers.training.whitening import inverses, layers_of, probe

    white = [config for config in configs if layers_of(config.build())]
    fits, refreshes = [], []
    for config in white:
        patches = probe(sampler(recipe, config.scale), 0, START_PATCHES)
        module = initial_module(config, 0)
        fits.append(timed(lambda module=module, patches=patches: fit(module, *patches)))
        low, _ = probe(sampler(recipe, config.scale), 0)
        refreshes.append(timed(lambda module=module, low=low: inverses(module, low)))
    groups = [[config] for config in white]
    return whole_space(groups, fits), whole_space(groups, refreshes)


def measuring(configs: Sequence[Config], folder: Path) -> dict[str, float]:
    """Core-seconds of PSNR and SSIM of every config of the space on the test sets, by kind."""
    from benchmarks._training import whole_space
    from workers.data.image_set import read_folder
    from workers.quality.protocol import evaluate, prepare
    from workers.training.train import initial_module

    sets = [read_folder(folder / name)[0] for name in TEST]
    took = []
    for config in configs:
        module = initial_module(config, 0)
        for images in sets:
            prepare(images, config.scale)
        took.append(timed(lambda module=module, c=config: [evaluate(c, module, images) for images in sets]))
    return whole_space([[config] for config in configs], took)


def project(quick: bool, shared: Path) -> dict[str, Any]:
    from benchmarks._training import kind, sample, threads, trained_space
    from workers.packs import why_not
    from workers.training.recipe import recipe_for

    recipe, cores = recipe_for("evening"), os.cpu_count() or 1
    # Of each scale and kind some.
    configs = sample(18 if quick else 72)
    with threads(1):
        each = steps_of_all(configs, recipe, 0.1 if quick else 1.0, 1 if quick else 3)
        fits, refreshes = starts_of_all(configs, recipe)
        quality = measuring(configs[:: 1 if not quick else 2], shared / "datasets")
    count = {kind(config): recipe.steps_of(config) for config in trained_space()}
    training = {name: took * count[name] for name, took in each.items()}
    white = {name: took * -(-count[name] // recipe.refresh) for name, took in refreshes.items()}
    parts = {"training": training, "white_inputs": white, "starts": fits, "quality": quality}
    total = sum(sum(part.values()) for part in parts.values())
    return {
        "recipe": recipe.name,
        "recipe_digest": recipe.digest,
        "compiled_step": why_not() or "built",
        "configs": len(trained_space()),
        "sample": [config.id for config in configs],
        "steps": count,
        "core_seconds_of_a_step_of_all": {name: round(took, 4) for name, took in each.items()},
        "core_seconds": {name: {k: round(v, 1) for k, v in part.items()} for name, part in parts.items()},
        "core_hours": round(total / 3600, 2),
        "cores": cores,
        "hours": round(total / 3600 / cores, 2),
    }


def main() -> None:
    from benchmarks._record import record

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("EDGE_SWEEP_SHARED", "../shared")))
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    if not (asked.shared / "datasets").is_dir():
        sys.exit(f"evening: no {asked.shared / 'datasets'}: give --shared DIR (nothing measured)")
    found = project(asked.quick, asked.shared)
    path = record("evening", found, ("torch", "numpy"))
    print(f"{found['core_hours']} core-hours, {found['hours']} h on {found['cores']} cores: {path}")


if __name__ == "__main__":
    main()
