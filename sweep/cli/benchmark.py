"""``sweep benchmark``: how fast architectures run on a device, no training needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import completion, output
from sweep.cli.options import (
    DEFAULT_DB,
    Db,
    DeviceName,
    Family,
    Ids,
    Json,
    Limit,
    OptionalSpace,
    Sample,
    SampleSeed,
    Scale,
    Where,
    sides,
)

if TYPE_CHECKING:
    from search_space.facts import Speed
    from sweep.speed.job import BenchmarkJob
    from sweep.speed.measure_missing import Measured


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("benchmark")(benchmark)


def benchmark(
    ids: Ids = None,
    device: DeviceName = None,
    backend: Annotated[
        str,
        typer.Option("--backend", "-b", help=f"{', '.join(completion.BACKENDS)}.", autocompletion=completion.backends),
    ] = "eager",
    precision: Annotated[
        str,
        typer.Option(
            "--precision", "-p", help=f"{', '.join(completion.PRECISIONS)}.", autocompletion=completion.precisions
        ),
    ] = "fp32",
    space: OptionalSpace = None,
    family: Family = None,
    scale: Scale = None,
    where: Where = None,
    limit: Limit = None,
    sample: Sample = None,
    seed: SampleSeed = 0,
    protocol: Annotated[
        str,
        typer.Option(
            "--speed-protocol",
            "--protocol",
            help="fullhd14 (the paper's), uhd14 (4K), qhd5 (quick), or a stored variant's name such as fullhd14-t1.",
            autocompletion=completion.speed_protocols,
        ),
    ] = "fullhd14",
    size: Annotated[str | None, typer.Option("--size", help="Other output size.", metavar="WIDTHxHEIGHT")] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Images per frame; default 1.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads; default every core.")] = None,
    channels_last: Annotated[
        bool, typer.Option("--channels-last", help="NHWC memory format (torch backends).")
    ] = False,
    plain: Annotated[bool, typer.Option("--plain", help="The network as trained, not its deployed form.")] = False,
    compute: Annotated[str, typer.Option("--compute", help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    again: Annotated[bool, typer.Option("--again", help="Measure what is stored already, and replace it.")] = False,
    disturbed: Annotated[
        bool,
        typer.Option(
            "--disturbed",
            help="Measure again what is stored as disturbed (the machine was not quiet); nothing else unless configs "
            "or a space are named.",
        ),
    ] = False,
    address: Annotated[
        str | None, typer.Option("--address", help="Ray cluster whose node is measured.", metavar="A")
    ] = None,
    node: Annotated[
        str | None, typer.Option("--node", help="With --address: name, IP address or id of the node.")
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Refuse when another benchmark runs here.")] = False,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Measure speed (and power, memory, temperature where readable) with the whole device to itself.

    Example: sweep benchmark --space demo --device laptop --backend onnxruntime

    Example: sweep benchmark eSR-TM_s2_K5_C4 ESPCN_s2_D4_S12 --speed-protocol qhd5 --json

    Every speed is stored as soon as its group is done; the same command again measures only what is missing.
    Exit status 1 when some configs could not be measured, 130 after Ctrl-C or SIGTERM.
    """
    from results_db.reading.disturbed import notes, timings
    from results_db.store import Store
    from sweep.api.measuring import configs_to_measure, measured_by
    from sweep.running.signals import EXIT_INTERRUPTED, stop_on_signal
    from sweep.speed.job import BenchmarkJob
    from sweep.speed.measure_missing import device_name, disturbed_configs, missing_job, run_job
    from workers.benchmark import protocol as named
    from workers.benchmark import varied

    measure = measured_by(address, node)
    chosen = varied(
        named(protocol), size=sides(size), batch=batch, threads=threads, channels_last=channels_last, plain=plain
    )
    way = BenchmarkJob((), device or node or device_name(), backend, precision, chosen, compute, not no_wait)
    if disturbed and not ids and space is None:
        with Store.open(db, readonly=True) as store:
            ids = list(disturbed_configs(store, way))
        if not ids:
            output.note(f"no speed of {way.device} with {backend}, {precision}, {chosen.name} is disturbed")
            return
    configs = configs_to_measure(
        db, ids, space or "paper", family or (), scale or (), where=where, limit=limit, sample=sample, seed=seed
    )
    with Store.open(db) as store:
        job = missing_job(store, configs, way, again=again, disturbed=disturbed)
        output.note(
            f"{len(job.ids)} of {len(configs)} configs to measure on {job.device}: {backend}, {precision}, "
            f"{chosen.name} ({chosen.timed} outputs of {chosen.width} x {chosen.height})"
        )
        with stop_on_signal(output.stderr()), output.progress_bar("measuring", len(job.ids)) as advance:
            measured = run_job(store, job, measure, progress=advance, notice=output.warn)
        url = store.url
    if as_json:
        output.print_json([vars(speed) for speed in measured.speeds])
    elif measured.speeds:
        _table(measured.speeds)
    _end(job, measured, again)
    apart = {"--address": address, "--node": node, "--compute": None if compute == "auto" else compute}
    options = [word for name, value in apart.items() if value is not None for word in (name, value)]
    for note in notes(timings(measured.speeds), url, options):
        output.warn(note)
    if measured.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if measured.failed:
        raise typer.Exit(1)


def _end(job: BenchmarkJob, measured: Measured, again: bool) -> None:
    """What was not measured."""
    for config, reason in measured.failed.items():
        output.error(f"not measured: {config}: {reason}")
    if measured.interrupted:
        rest = "" if again else "; the same command measures the rest"
        output.note(f"stopped: {len(measured.speeds)} of {len(job.ids)} are measured and stored{rest}")


def _table(speeds: Sequence[Speed]) -> None:
    headings = ["config", "frames/s", "ms", "IQR ms", "n", "W", "J/frame", "MiB", "ties", "note"]
    rows = []
    for speed in sorted(speeds, key=lambda speed: -speed.fps):
        detail = speed.detail
        note = "disturbed" if detail.get("disturbed") else ("" if detail.get("steady", True) else "unsteady")
        rows.append([
            speed.config,
            f"{speed.fps:.2f}",
            _text(speed.seconds_median, 1000, 2),
            _text(speed.seconds_iqr, 1000, 2),
            str(speed.runs or ""),
            _text(speed.power_w, 1, 2),
            _text(speed.energy_j, 1, 3),
            _text(speed.memory_mib, 1, 0),
            str(len(detail.get("tied_with", ())) or ""),
            note,
        ])  # fmt: skip
    output.print_table(headings, rows, hide_empty=True)


def _text(value: float | None, factor: float, digits: int) -> str:
    return "" if value is None else f"{value * factor:.{digits}f}"
