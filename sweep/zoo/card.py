"""The model card of a zoo: what it holds, how it was made, how good it is, how to use it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from analysis import table
from analysis.charts import style
from analysis.reading.results import Results
from sweep.planning.settings import SweepSettings
from sweep.zoo.document import Zoo

if TYPE_CHECKING:
    import pandas as pd

LICENCE = "Apache-2.0, as edge-sweep, which trained them. The training images are not part of this folder."


def text(zoo: Zoo, results: Results, chart: str, notes: str = "") -> str:
    """The card as Markdown. ``results`` are the sweep's, with seeds averaged; ``chart`` is a file beside the card.

    ``notes`` are what its makers want to say about how the networks were made.
    """
    made = "\n\n".join((_made(zoo), notes)).rstrip()
    parts = (_head(zoo), _use(zoo, results), made, _quality(zoo, results, chart), _best(results), _files())
    return "\n\n".join([*parts, f"## Licence\n\n{LICENCE}"]) + "\n"


def _head(zoo: Zoo) -> str:
    of = "" if len(zoo.trials) == zoo.planned else f" of {zoo.planned} that were planned"
    families = style.in_order({key.config.split("_")[0] for key, _ in zoo.trials})
    return (
        f"# {zoo.sweep.name}: {len(zoo.trials)} trained super-resolution networks{of}\n\n"
        f"Families {', '.join(families)}; luma in, luma out; float32 weights; every number below was measured by "
        "the tool that trained them, edge-sweep."
    )


def _use(zoo: Zoo, results: Results) -> str:
    example = results.table.sort_values(results.metrics[0]).iloc[-1]["config"]
    scale = example.split("_")[1].lstrip("s")
    best = f"sweep best --db zoo.db --scale {scale} --min-fps 60\n" if results.devices else ""
    return (
        "## Use them\n\n```bash\n"
        "sweep zoo import . --db zoo.db                       # this folder, or its address\n"
        f"{best}"
        f"sweep upscale photo.png --db zoo.db --model {example} -o out\n"
        f"sweep export {example} --db zoo.db --format onnx --out model.onnx\n```\n\n"
        "Without edge-sweep: `weights/FAMILY_sSCALE.safetensors` holds the tensors of each network under `ID/`, "
        f"for example those of `{example}` under `{example}/`; the file's metadata (`models`) has the ids and quality."
    )


def _made(zoo: Zoo) -> str:
    data = SweepSettings.from_dict(zoo.sweep.settings).data
    recipe = json.loads(zoo.sweep.recipe_json)
    made_by = [done.provenance for _, done in zoo.trials if done.provenance]
    seconds = sum(done.seconds for _, done in zoo.trials)
    seeds = sorted({key.seed for key, _ in zoo.trials})
    rows = [
        ("trained on", " + ".join(data.train) or "embedded photographs"),
        ("tested on", ", ".join(data.tests) or "embedded photographs"),
        ("quality protocols", ", ".join(sorted({one.protocol for _, done in zoo.trials for one in done.quality}))),
        ("recipe", recipe.get("name", "?")),
        ("seeds", ", ".join(map(str, seeds))),
        ("time of training", f"{seconds / 3600:.2f} hours, summed over workers"),
        ("engines", ", ".join(sorted({engine for known in made_by for engine in known.engines}))),
        ("PyTorch", ", ".join(sorted({known.torch for known in made_by}))),
        ("revision", zoo.sweep.git),
    ]
    lines = ["## How they were made", "", "| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(lines) + f"\n\nThe recipe in full:\n\n```json\n{json.dumps(recipe, indent=1)}\n```"


def _quality(zoo: Zoo, results: Results, chart: str) -> str:
    sets = [name for name in results.metrics if name.startswith("psnr:")]
    head = ["scale", "family", "networks", "parameters", *(f"PSNR {name[5:]}, median (best)" for name in sets)]
    lines = [f"| {' | '.join(head)} |", "| --- | --- " + "| ---: " * (len(head) - 2) + "|"]
    for scale in results.scales:
        at_scale = results.table[results.table["scale"] == scale].drop_duplicates("config")
        for family in style.in_order(at_scale["family"].unique()):
            lines.append(_row(scale, family, at_scale[at_scale["family"] == family], sets))
    below = sum(any(flag.startswith("below-bicubic") for flag in done.flags) for _, done in zoo.trials)
    note = f"Below bicubic on some test set: {below} of {len(zoo.trials)}."
    return "## Quality\n\n" + "\n".join(lines) + f"\n\n{note}\n\n![What they cost and what they give]({chart})"


def _row(scale: int, family: str, rows: pd.DataFrame, sets: list[str]) -> str:
    low, high = rows["parameters"].min(), rows["parameters"].max()
    size = f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
    quality = [f"{rows[name].median():.2f} ({rows[name].max():.2f})" for name in sets]
    return f"| {' | '.join([f'x{scale}', family, str(len(rows)), size, *quality])} |"


def _best(results: Results) -> str:
    chosen = table.best_models(results, results.metric(None), [])
    return "## The best of each family\n\n" + table.render(chosen, "md").rstrip()


def _files() -> str:
    return (
        "## Files\n\n`results.csv` and `results.parquet` (a row per network and speed), `weights/`, `facts.json.gz` "
        "(all that the database keeps: keys, loss curves, quality per image), `zoo.json` (the SHA-256 of each file, "
        "checked on import)."
    )
