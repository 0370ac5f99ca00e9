"""Training speed of the space: one config at a time, under torch.compile, through Ray Tune, and in packs.

A stratified sample of the paper's configs is trained for a few steps of one recipe by each way, in turns (paired
rounds), on the embedded photographs:

- ``single``: ``workers.training.train.train``, plain PyTorch, one config at a time, with whichever of one thread or all
  cores was faster for that config;
- ``compiled``: the same with the module under ``torch.compile`` (one config a family and scale; the time to compile
  is not counted);
- ``tune``: the same through Ray Tune, half a core per trial, one thread each, all slots busy (what Tune itself takes is
  not counted);
- ``fused``: packs of one scale and kind (one-layer, ESPCN, eSR-CNN, FSRCNN), each measured by itself; those of
  ``sweep run`` mix kinds. One worker per core at once, as ``sweep run`` does;
- ``stacked``: the same packs in torch operations, as without a C++ compiler, by as many workers.

Rates are config-steps per second over the whole space: 1182 configs to train, over the seconds that one step of every
one of them takes (``_training.whole_space`` says how a sample is raised to it). A step of a costly config thus weighs
as much as it costs.

    python benchmarks/fused_training.py            # writes benchmarks/results/fused_training_cpu.json
    python benchmarks/fused_training.py --prepare  # only fills torch.compile's cache, so that the run is shorter
    python benchmarks/fused_training.py --quick    # a dozen configs, one round
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from search_space.config import Config  # noqa: E402

TUNE_CPUS = 0.5
"""Of a core, for each Tune trial."""


def one_each(configs: Sequence[Config], limit: int) -> list[Config]:
    """The first config of each family and scale."""
    first: dict[tuple[str, int], Config] = {}
    for config in configs:
        first.setdefault((config.family, config.scale), config)
    return list(first.values())[:limit]


def best_threads(configs: Sequence[Config], recipe: Any, seconds: float, cores: int) -> dict[str, tuple[int, ...]]:
    """For each config the thread counts to time it with: one, and all cores where a first look found them faster."""
    from benchmarks._training import single, threads

    out: dict[str, tuple[int, ...]] = {}
    for config in configs:
        took: list[float] = []
        for count in (1, cores):
            with threads(count):
                took.append(single(config, recipe, seconds))
        out[config.id] = (1, cores) if took[1] < took[0] else (1,)
    return out


def singles(configs: Sequence[Config], recipe: Any, seconds: float, best: dict[str, tuple[int, ...]]) -> list[float]:
    """Seconds a step of each config alone, with its better thread count."""
    from benchmarks._training import single, threads

    out: list[float] = []
    for config in configs:
        took: list[float] = []
        for count in best[config.id]:
            with threads(count):
                took.append(single(config, recipe, seconds))
        out.append(min(took))
    return out


def compiled(configs: Sequence[Config], recipe: Any, seconds: float, best: dict[str, tuple[int, ...]]) -> list[float]:
    """As ``singles`` with the module compiled: the first steps, which compile it, are not counted."""
    import torch

    from workers.training import train

    plain = train.initial_module

    def compiled_module(config: Config, seed: int) -> torch.nn.Module:
        torch.compiler.reset()
        module = plain(config, seed)
        module.compile()
        return module

    train.initial_module = compiled_module
    try:
        return singles(configs, recipe, seconds, best)
    finally:
        train.initial_module = plain
        torch.compiler.reset()


def _worker_ready(cores: int) -> None:
    import torch

    torch.set_num_threads(cores)


def _worker_packs(asked: tuple[list[list[str]], str, float, bool]) -> list[float]:
    """All packs in the order given: seconds per step of each."""
    from benchmarks._training import pack
    from search_space import parse_id
    from workers.training.recipe import Recipe

    groups, text, seconds, native = asked
    recipe = Recipe.from_json(text)
    return [pack([parse_id(name) for name in group], recipe, seconds, native) for group in groups]


def fused(
    workers: Any, count: int, groups: Sequence[Sequence[Config]], recipe: Any, seconds: float, native: bool = True
) -> list[float]:
    """Seconds of wall time that a step of each pack takes of the machine, every core having a worker at work.

    Each worker goes through all packs, from another place in the list, so that unlike packs run side by side.
    """
    ids = [[config.id for config in group] for group in groups]
    starts = [worker * len(ids) // count for worker in range(count)]
    asked = [(ids[start:] + ids[:start], recipe.to_json(), seconds, native) for start in starts]
    found = workers.map(_worker_packs, asked, chunksize=1)
    turned = [row[len(row) - start :] + row[: len(row) - start] for row, start in zip(found, starts, strict=True)]
    return [statistics.mean(times) / count for times in zip(*turned, strict=True)]


def tune_singles(configs: Sequence[Config], recipe: Any, seconds: float, cores: int) -> list[float]:
    """Seconds of wall time that a step of each config takes of the machine with all of Tune's slots busy."""
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    import ray
    from ray import tune

    text = recipe.to_json()

    def trial(config: dict[str, Any]) -> None:
        sys.path.insert(0, str(ROOT))
        import torch

        from benchmarks._training import single
        from search_space import parse_id
        from workers.training.recipe import Recipe

        torch.set_num_threads(1)
        tune.report({"a_step": single(parse_id(config["id"]), Recipe.from_json(text), seconds)})

    ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        order = [config.id for config in configs]
        random.Random(0).shuffle(order)
        grid = {"id": tune.grid_search(order)}
        setting = tune.TuneConfig(reuse_actors=True)
        tuner = tune.Tuner(
            tune.with_resources(trial, {"cpu": TUNE_CPUS}),
            param_space=grid,
            tune_config=setting,
            run_config=tune.RunConfig(verbose=0),
        )
        found = {result.config["id"]: result.metrics["a_step"] for result in tuner.fit()}
    finally:
        ray.shutdown()
    return [found[config.id] * TUNE_CPUS / cores for config in configs]


def measure(quick: bool) -> dict[str, Any]:
    """All ways on one sample; measurements for ``fused_training_cpu.json``."""
    from benchmarks._training import planned_by_kind, sample, spread, trained_space, whole_space
    from workers.packs import why_not
    from workers.training.recipe import recipe_for

    recipe = recipe_for("smoke" if quick else "paper")
    configs = list(sample(18 if quick else 72))
    groups, alone = planned_by_kind(configs), [[config] for config in configs]
    seconds, rounds, cores = (0.02, 1, 2) if quick else (0.1, 5, os.cpu_count() or 1)
    few = one_each(configs, 2 if quick else 18)
    say("choosing thread settings")
    best = best_threads(configs, recipe, seconds, cores)
    context = multiprocessing.get_context("spawn")
    plain: list[dict[str, float]] = []
    shares: list[float] = []
    ours: list[dict[str, float]] = []
    with context.Pool(cores, _worker_ready, (1,)) as workers:
        fused(workers, cores, groups[:1], recipe, 0.0)
        for turn in range(rounds):
            say(f"round {turn + 1} of {rounds}")
            # Refreshes are rarer than the steps that are timed: their share is added to both.
            extra = refreshing(configs, recipe)
            plain.append(whole_space(alone, singles(configs, recipe, seconds, best)))
            ours.append(whole_space(groups, fused(workers, cores, groups, recipe, 4 * seconds)))
            plain[-1]["ESPCN"] += extra
            ours[-1]["ESPCN"] += extra / cores
            shares.append(extra)
        say("packs without the compiled step")
        by_stacks = whole_space(groups, fused(workers, cores, groups, recipe, seconds, native=False))
    say("torch.compile")
    by_compiler = whole_space([[c] for c in few], compiled(few, recipe, 2 * seconds, best))
    # The same configs in eager mode, so that the two are raised to the space in the same way.
    eager = whole_space([[c] for c in few], singles(few, recipe, 2 * seconds, best))
    say("Ray Tune")
    by_tune = whole_space(alone, tune_singles(configs, recipe, 2 * seconds, cores))
    kinds = list(plain[0])
    step = {
        "single": statistics.median(sum(row.values()) for row in plain),
        "tune": sum(by_tune.values()),
        "stacked": sum(by_stacks.values()),
        "fused": statistics.median(sum(row.values()) for row in ours),
    }
    factor = {name: by_compiler[name] / eager[name] for name in by_compiler}
    middle = {name: statistics.median(row[name] for row in plain) for name in kinds}
    step["compiled"] = sum(middle[name] * factor.get(name, 1.0) for name in kinds)
    trained = len(trained_space())
    pairs = list(zip(plain, ours, strict=True))
    ratio = spread([sum(a.values()) / sum(b.values()) for a, b in pairs])
    ratios = {name: spread([a[name] / b[name] for a, b in pairs]) for name in kinds}
    ways = ("single", "compiled", "tune", "fused", "stacked")
    return {
        "recipe": json.loads(recipe.to_json()),
        "compiled_step": why_not() or "built",
        "configs": trained,
        "sample": [config.id for config in configs],
        "compiled_sample": [config.id for config in few],
        "faster_on_all_cores": [name for name, counts in best.items() if len(counts) > 1],
        "rounds": rounds,
        "config_steps_per_s": {way: round(trained / step[way], 1) for way in ways},
        "ratio_fused_single": round(ratio["median"], 2),
        "ratio_fused_single_rounds": {k: round(v, 2) for k, v in ratio.items()},
        "ratio_fused_single_one_layer": round(ratios["one-layer"]["median"], 2),
        "ratio_by_kind": {name: {k: round(v, 2) for k, v in row.items()} for name, row in ratios.items()},
        "ratio_fused_compiled": round(step["compiled"] / step["fused"], 2),
        "ratio_fused_tune": round(step["tune"] / step["fused"], 2),
        "seconds_of_a_step_of_all": {
            name: {"single": round(middle[name], 3), "fused": round(statistics.median(r[name] for r in ours), 3)}
            for name in kinds
        },
        "refreshes_seconds_a_step_of_all_on_one_core": round(statistics.median(shares), 4),
        "projected_hours_paper_sweep": round(step["fused"] * recipe.steps / 3600, 2),
        "projected_hours": {way: round(step[way] * recipe.steps / 3600, 2) for way in ways},
    }


def refreshing(configs: Sequence[Config], recipe: Any) -> float:
    """Seconds per step that the second moments of all ESPCNs cost one core (``workers.training.whitening``)."""
    import torch

    from benchmarks._training import sampler, whole_space
    from workers.training.whitening import inverses, probe

    mine = [config for config in configs if config.family == "ESPCN"]
    took = []
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for config in mine:
        low, _ = probe(sampler(recipe, config.scale), 0)
        module = config.build()
        inverses(module, low)
        began = time.perf_counter()
        inverses(module, low)
        took.append(time.perf_counter() - began)
    torch.set_num_threads(before)
    return sum(whole_space([[config] for config in mine], took).values()) / recipe.refresh


def prepare() -> None:
    """Compile what the run compiles."""
    from benchmarks._training import sample
    from workers.training.recipe import recipe_for

    few = one_each(sample(72), 18)
    for count in (1, os.cpu_count() or 1):
        for config in few:
            began = time.perf_counter()
            compiled([config], recipe_for("paper"), 0.0, {config.id: (count,)})
            say(f"{config.id} on {count}: {time.perf_counter() - began:.1f} s")


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--prepare", action="store_true")
    asked = parser.parse_args()
    if asked.prepare:
        prepare()
        return
    measurements = measure(asked.quick)
    from benchmarks._record import record

    print(json.dumps(measurements, indent=2))
    if not asked.quick or os.environ.get("EDGE_SWEEP_BENCH_OUT"):
        record("fused_training_cpu", measurements)


if __name__ == "__main__":
    main()
