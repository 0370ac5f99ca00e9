"""``sweep bundle``: a kit for a board that has neither Ray nor torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from search_space.errors import BadData
from sweep.cli import completion, output
from sweep.cli.options import (
    DEFAULT_DB,
    Db,
    Family,
    Limit,
    Metric,
    OfDevice,
    Sample,
    SampleSeed,
    Scale,
    UndisturbedOnly,
    Where,
)

if TYPE_CHECKING:
    from results_db.reading.disturbed import Timing
    from search_space.config import Config
    from workers.kit.bundle import Model


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("bundle")(bundle)


def bundle(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Configs for the kit.", autocompletion=completion.ids)
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The kit.")] = Path("kit.zip"),
    frontier: Annotated[bool, typer.Option("--frontier", help="The configs of the frontier in --db.")] = False,
    space: Annotated[
        str | None, typer.Option("--space", "-s", help="All configs of a space.", autocompletion=completion.spaces)
    ] = None,
    scale: Scale = None,
    family: Family = None,
    where: Where = None,
    limit: Limit = None,
    sample: Sample = None,
    seed: SampleSeed = 0,
    device: OfDevice = None,
    metric: Metric = None,
    undisturbed_only: UndisturbedOnly = False,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            "-p",
            help="fp32, fp16 or int8 (repeatable); default fp32.",
            autocompletion=completion.kit_precisions,
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            "--speed-protocol",
            "--protocol",
            help="fullhd14, uhd14 or qhd5.",
            autocompletion=completion.named_speed_protocols,
        ),
    ] = "fullhd14",
    db: Db = DEFAULT_DB,
) -> None:
    """Pack ONNX files and a runner that needs only Python, numpy and onnxruntime into one file.

    Example: sweep bundle --frontier --scale 2 -o kit.zip

    On the board: python kit.zip --out results.json (again: resumes). Back here: sweep import-measurements
    results.json. Weights are those in --db; a config without any gets untrained weights, which are as fast.
    How many of the speeds that --frontier was chosen by are disturbed is said at the end.
    """
    from rich.progress import track

    from search_space import parse_id
    from search_space.spaces import load_space, select
    from sweep.planning.user_families import stored_configs
    from workers.benchmark import REFERENCE
    from workers.benchmark import protocol as named
    from workers.kit.bundle import bundle as pack

    if sum(map(bool, (ids, frontier, space))) != 1:
        raise BadData("say what goes into the kit: ids, --frontier or --space S")
    stderr = output.stderr()
    configs: Sequence[Config]
    notes: list[str] = []
    if frontier:
        configs, notes = _frontier(db, scale or [2, 3, 4], device, metric, undisturbed_only)
    else:
        configs = stored_configs(ids or (), db) or load_space(space or "").configs
    configs = select(configs, family or (), scale or (), where, limit, sample, seed)
    precisions = tuple(dict.fromkeys(precision or ("fp32",)))
    for name in precisions:
        if name not in completion.KIT_PRECISIONS:
            raise BadData(f"there is no precision {name!r} for a kit ({', '.join(completion.KIT_PRECISIONS)})")
    chosen = named(protocol)
    weights = _weights(db, configs)
    jobs = [(config, name) for config in configs for name in precisions]
    models = [
        _model(config, name, weights.get(config.id))
        for config, name in track(jobs, "exporting", console=stderr, transient=True, disable=not stderr.is_terminal)
    ]
    digest = pack(models, _model(parse_id(REFERENCE), "fp32", None), chosen, out)
    trained = sum(model.weights == "trained" for model in models)
    output.print_text(
        f"{out}: {len(models)} models ({trained} trained), {chosen.name}, {out.stat().st_size:,} bytes, "
        f"manifest {digest[:16]}"
    )
    output.print_text(f"on the board: python {quote(out.name)} --out results.json --device NAME")
    for note in notes:
        output.warn(note)


def _frontier(
    db: str, scales: Sequence[int], device: str | None, metric: str | None, undisturbed_only: bool
) -> tuple[list[Config], list[str]]:
    """The configs of the frontier of each scale, and what to say of the speeds it was chosen by."""
    from analysis.measures.best_in_budget import choose
    from analysis.reading import disturbed
    from analysis.reading.results import gather
    from analysis.reading.selection import Selection
    from results_db.store import Store
    from sweep.planning.user_families import stored_configs

    frontier: dict[str, None] = {}
    speeds: list[Timing] = []
    with Store.open(db, readonly=True) as store:
        for scale in scales:
            results = gather(store, Selection(device=device, scales=(scale,), undisturbed_only=undisturbed_only))
            if len(results.devices) > 1 and device is None:
                raise BadData(f"the frontier of which device? --device ({', '.join(results.devices)})")
            speeds += disturbed.timings(results.table)
            for row in choose(results.table, results.metric(metric)).frontier:
                frontier[str(row["config"])] = None
        notes = disturbed.notes(speeds, store.url)
    if not frontier:
        raise BadData("there is no frontier yet: the configs need a quality and a speed (sweep run, sweep benchmark)")
    return stored_configs(frontier, db), notes


def _weights(db: str, configs: Sequence[Config]) -> dict[str, bytes]:
    """Trained weights by config id, for those that have any in the store."""
    from results_db.connection.urls import parse
    from results_db.states import State
    from results_db.store import Store

    path = parse(db).path
    if path is not None and not path.exists():
        return {}
    ids = {config.id for config in configs}
    weights: dict[str, bytes] = {}
    with Store.open(db, readonly=True) as store:
        for row in store.trials(states=(State.DONE,)):
            artifact = store.artifact(row.id) if row.key.config in ids else None
            if artifact is not None:
                weights[row.key.config] = artifact.data
    return weights


def _model(config: Config, precision: str, weights: bytes | None) -> Model:
    from workers.benchmark.subject import build
    from workers.data.embedded import embedded
    from workers.export.deployed_form import deployed
    from workers.export.exporting import calibration_inputs, onnx_for
    from workers.kit.bundle import Model
    from workers.training.weights import load

    graph = build(config) if weights is None else deployed(load(config, weights))
    calibration = calibration_inputs(config, embedded("embedded-train"))[:4] if precision == "int8" else []
    onnx = onnx_for(config, graph, precision, calibration)
    return Model(config.id, config.scale, precision, onnx, "starting" if weights is None else "trained")
