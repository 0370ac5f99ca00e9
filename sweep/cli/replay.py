"""``sweep replay``: search among finished results instead of training, in seconds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import completion, output
from sweep.cli.options import DEFAULT_DB, Db, Json, UndisturbedOnly
from sweep.search import DEFAULT_BATCH

if TYPE_CHECKING:
    from results_db.reading.disturbed import Timing
    from sweep.search.comparison import ComparisonRow
    from sweep.search.replay_table import ReplayTable


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("replay")(replay)


def replay(
    table: Annotated[
        str,
        typer.Option(
            "--table", help="published, or the name of a finished sweep in --db.", autocompletion=completion.sweeps
        ),
    ],
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device", help="Device (repeatable); published: AGX, MaxQ, RPI.", autocompletion=completion.devices
        ),
    ] = None,
    scale: Annotated[list[int] | None, typer.Option("--scale", help="Scale (repeatable); default all.")] = None,
    dataset: Annotated[
        str,
        typer.Option(
            "--test-set",
            "--dataset",
            help="Test set whose PSNR counts.",
            autocompletion=completion.stored_test_sets,
        ),
    ] = "BSDS100",
    sampler: Annotated[
        list[str] | None, typer.Option("--sampler", help="Sampler (repeatable); default frontier, random, tpe.")
    ] = None,
    budget: Annotated[int, typer.Option("--budget", min=2, help="Trials per search.")] = 40,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Suggestions per round, as in sweep search.")
    ] = DEFAULT_BATCH,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Searches per sampler.")] = 5,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="The authors' tests.pkl; read without unpickling it.")
    ] = None,
    space: Annotated[
        str,
        typer.Option("--space", "-s", help="The space whose grids the samplers see.", autocompletion=completion.spaces),
    ] = "paper",
    undisturbed_only: UndisturbedOnly = False,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Compare samplers on finished results: hypervolume against trials, as a fraction of the exhaustive sweep's.

    Example: sweep replay --table published --file tests.pkl --device RPI --scale 4 --sampler frontier --sampler tpe

    The plane is the logarithm of frames/s against PSNR; the reference point is the worst of each over the table. How
    many speeds of a sweep's table are disturbed is said at the end.
    """
    from rich.console import Console

    from search_space.errors import BadSpace
    from search_space.spaces import load_space
    from sweep.search.comparison import compare
    from sweep.search.samplers import SamplerName

    names = sampler or ["frontier", "random", "tpe"]
    for name in names:
        if name not in list(SamplerName):
            raise BadSpace(f"unknown sampler {name[:40]!r} (choose from {', '.join(SamplerName)})")
    tables, notes = _tables(table, device, scale, dataset, file, db, undisturbed_only)
    loaded = load_space(space)
    console = Console(stderr=True)
    with console.status("replaying", spinner="line") as status:
        rows = compare(
            tables,
            [SamplerName(name) for name in names],
            budget,
            seeds,
            space=loaded if _covers(loaded.configs, tables) else None,
            batch=batch,
            progress=status.update,
        )
    if as_json:
        typer.echo(json.dumps({"table": table, "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        _show(rows)
    for note in notes:
        output.warn(note)


def _covers(configs: object, tables: list[ReplayTable]) -> bool:
    in_space = frozenset(configs)  # type: ignore[call-overload]
    return all(config in in_space for table in tables for config in table.values)


def _tables(
    table: str,
    devices: list[str] | None,
    scales: list[int] | None,
    dataset: str,
    file: Path | None,
    db: str,
    undisturbed_only: bool,
) -> tuple[list[ReplayTable], list[str]]:
    """A table per device and scale, and what to say of their speeds."""
    from analysis.reading import disturbed
    from search_space.config import SCALES
    from search_space.errors import BadData, BadSpace
    from sweep.search.tables import PUBLISHED, published_file, published_table, sweep_rows, table_of

    chosen_scales = scales or list(SCALES)
    for scale in chosen_scales:
        if scale not in SCALES:
            raise BadSpace(f"scale {scale} is not possible (choose from {', '.join(map(str, SCALES))})")
    path = file or (published_file() if table == PUBLISHED else None)
    if path is not None:
        from results_db.foreign import published

        results = published.read(path)
        names = devices or ["AGX", "MaxQ", "RPI"]
        return [published_table(results, name, dataset, scale) for name in names for scale in chosen_scales], []
    from results_db.store import Store

    with Store.open(db, readonly=True) as store:
        if devices is None:
            if table == PUBLISHED:
                devices = ["AGX", "MaxQ", "RPI"]
            else:
                from sweep.speed.measure_missing import device_name

                devices = [device_name()]
        tables: list[ReplayTable] = []
        speeds: list[Timing] = []
        for name in devices:
            for scale in chosen_scales:
                try:
                    rows = sweep_rows(store, table, name, dataset, scale, undisturbed_only)
                    tables.append(table_of(rows, table, name, dataset))
                except BadData:
                    if scales is not None:
                        raise
                else:
                    speeds += disturbed.timings(rows)
        if not tables:
            raise BadData(
                f"sweep {table!r} has no configs with both a speed on {', '.join(devices)} and PSNR {dataset}"
            )
        return tables, disturbed.notes(speeds, store.url)


def _show(rows: list[ComparisonRow]) -> None:
    counts = sorted({row.trials for row in rows})
    by = {(row.table, row.scale, row.sampler, row.trials): row for row in rows}
    lines = []
    for table, scale, sampler in dict.fromkeys((row.table, row.scale, row.sampler) for row in rows):
        cells = [by[table, scale, sampler, n] for n in counts]
        medians = [f"{c.hypervolume_ratio_median:.4f} ({c.q25:.3f}-{c.q75:.3f})" for c in cells]
        lines.append([table, f"x{scale}", sampler, *medians])
    output.print_table(["table", "scale", "sampler", *(f"{n} trials" for n in counts)], lines, left=3)
