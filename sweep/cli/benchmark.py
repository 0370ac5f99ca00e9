"""``sweep benchmark``: how fast architectures run on a device, no training needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_space.errors import BadData
from sweep.cli.options import DEFAULT_DB, Db, Json

if TYPE_CHECKING:
    from results_db.store import Store
    from search_space.config import Config
    from search_space.facts import Speed
    from workers.benchmark import SpeedProtocol


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("benchmark")(benchmark)


def benchmark(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Configs; default a whole space.")] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Name the figures are stored under; default this host's.")
    ] = None,
    backend: Annotated[
        str, typer.Option("--backend", "-b", help="eager, compile, cudagraph, onnxruntime, tensorrt, openvino, ncnn.")
    ] = "eager",
    precision: Annotated[str, typer.Option("--precision", "-p", help="fp32, fp16, bf16, int8.")] = "fp32",
    space: Annotated[str, typer.Option("--space", "-s", help="Without IDs: these configs.")] = "paper",
    family: Annotated[list[str] | None, typer.Option("--family", help="Only this family (repeatable).")] = None,
    scale: Annotated[list[int] | None, typer.Option("--scale", help="Only this scale (repeatable).")] = None,
    where: Annotated[str | None, typer.Option("--where", help='Such as "C<=8 and K==3".')] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=0, help="The first N.")] = None,
    sample: Annotated[int | None, typer.Option("--sample", min=0, help="N, fairly over families and scales.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the sample.")] = 0,
    protocol: Annotated[
        str, typer.Option("--protocol", help="fullhd14 (the paper's), uhd14 (4K), qhd5 (quick).")
    ] = "fullhd14",
    size: Annotated[str | None, typer.Option("--size", help="Other output size.", metavar="WIDTHxHEIGHT")] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Images a frame; default 1.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads; default every core.")] = None,
    channels_last: Annotated[
        bool, typer.Option("--channels-last", help="NHWC memory format (torch backends).")
    ] = False,
    plain: Annotated[bool, typer.Option("--plain", help="The network as trained, not its deployed form.")] = False,
    compute: Annotated[str, typer.Option("--compute", help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    again: Annotated[bool, typer.Option("--again", help="Measure what is stored already, and replace it.")] = False,
    disturbed: Annotated[
        bool, typer.Option("--disturbed", help="Measure again what is stored as disturbed (the machine was not quiet).")
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

    Example: sweep benchmark eSR-TM_s2_K5_C4 ESPCN_s2_D4_S12 --protocol qhd5 --json

    Every figure is stored as soon as its group is done; the same command again measures only what is missing.
    Exit status 1 when some configs could not be measured, 130 after Ctrl-C.
    """
    from rich.console import Console

    from results_db.store import Store
    from search_space.spaces import load_space, select
    from sweep.planning.user_families import stored_config
    from sweep.running.speed_phase import device_name
    from sweep.speed.ties import retie
    from workers.benchmark import protocol as named
    from workers.benchmark import varied

    if node is not None and address is None:
        raise BadData("--node needs --address (the Ray cluster the node is in)")
    stderr = Console(stderr=True)
    configs: Sequence[Config] = [stored_config(one, db) for one in dict.fromkeys(ids or ())]
    configs = configs or load_space(space).configs
    configs = select(configs, family or (), scale or (), where, limit, sample, seed)
    chosen = varied(
        named(protocol), size=_size(size), batch=batch, threads=threads, channels_last=channels_last, plain=plain
    )
    name = device or node or device_name()
    job = _Job([config.id for config in configs], name, backend, precision, chosen, compute, not no_wait)
    with Store.open(db) as store:
        stored = store.speeds(device=name, backend=backend, precision=precision, protocol=chosen.name)
        if not again:
            job.drop({one.config for one in stored if not (disturbed and one.detail.get("disturbed"))})
        job.usual = usual_reference(stored)
        stderr.print(
            f"{len(job.ids)} of {len(configs)} configs to measure on {name}: {backend}, {precision}, {chosen.name} "
            f"({chosen.timed} outputs of {chosen.width} x {chosen.height})",
            highlight=False,
        )
        groups = _here(job, stderr) if address is None else _there(job, address, node, stderr)
        measured, stopped = _store(groups, store, len(job.ids), stderr)
        measured = retie(store, measured)
    if as_json:
        typer.echo(json.dumps([vars(one) for one in measured], indent=1))
    elif measured:
        _table(measured)
    for config, reason in job.failed.items():
        stderr.print(f"not measured: {config}: {reason}", style="red", markup=False, highlight=False)
    spoilt = sum(bool(one.detail.get("disturbed")) for one in measured)
    if spoilt:
        stderr.print(f"{spoilt} are disturbed: --disturbed measures them again", highlight=False)
    if stopped:
        rest = "" if again else "; the same command measures the rest"
        stderr.print(f"stopped: {len(measured)} of {len(job.ids)} are measured and stored{rest}", highlight=False)
        raise typer.Exit(130)
    if job.failed:
        raise typer.Exit(1)


def usual_reference(stored: Sequence[Speed]) -> float | None:
    """Seconds of the reference when nothing disturbed it, as far as figures of one kind tell."""
    from workers.benchmark import REFERENCE

    seen = [one.detail.get("reference_usual_seconds") for one in stored if one.detail.get("reference") == REFERENCE]
    return min((one for one in seen if isinstance(one, float) and one > 0), default=None)


class _Job:
    """What is to be measured, in values that travel."""

    def __init__(
        self,
        ids: list[str],
        device: str,
        backend: str,
        precision: str,
        protocol: SpeedProtocol,
        compute: str,
        wait: bool,
    ) -> None:
        self.ids, self.device, self.backend, self.precision = ids, device, backend, precision
        self.protocol, self.compute, self.wait = protocol, compute, wait
        self.failed: dict[str, str] = {}
        self.usual: float | None = None

    def drop(self, done: set[str]) -> None:
        """Leave out what is there already."""
        self.ids = [one for one in self.ids if one not in done]


def _here(job: _Job, stderr: Any) -> Iterator[list[Speed]]:
    from search_space import parse_id
    from workers.benchmark import Session
    from workers.benchmark.lock import whole_machine

    session = Session(job.device, job.backend, job.precision, job.protocol, job.compute, usual=job.usual)
    session.failed = job.failed
    with whole_machine(job.wait, lambda text: stderr.print(text, style="yellow", markup=False)):
        yield from session.measure([parse_id(one) for one in job.ids])


def _there(job: _Job, address: str, node: str | None, stderr: Any) -> Iterator[list[Speed]]:
    from sweep.speed.on_ray_node import measure_on_node

    yield from measure_on_node(job, address, node, lambda text: stderr.print(text, style="yellow", markup=False))


def _store(groups: Iterator[list[Speed]], store: Store, total: int, stderr: Any) -> tuple[list[Speed], bool]:
    """What was measured, and whether Ctrl-C ended it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # A figure that was disturbed may come again, and better.
    out: dict[str, Speed] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task("measuring", total=total)
        try:
            for group in groups:
                store.add_speeds(group)
                out |= {one.config: one for one in group}
                bar.update(task, completed=len(out))
        except KeyboardInterrupt:
            return list(out.values()), True
    return list(out.values()), False


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise BadData(f"--size {text!r} is not a size (write 3840x2160)")
    return int(width), int(height)


def _table(speeds: list[Speed]) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = ["config", "frames/s", "ms", "IQR ms", "n", "W", "J/frame", "MiB", "ties", "note"]
    rows = []
    for one in sorted(speeds, key=lambda speed: -speed.fps):
        note = "disturbed" if one.detail.get("disturbed") else ("" if one.detail.get("steady", True) else "unsteady")
        row = [one.config, f"{one.fps:.2f}", _text(one.seconds_median, 1000, 2), _text(one.seconds_iqr, 1000, 2)]
        row += [str(one.runs or ""), _text(one.power_w, 1, 2), _text(one.energy_j, 1, 3), _text(one.memory_mib, 1, 0)]
        rows.append([*row, str(len(one.detail.get("tied_with", ())) or ""), note])
    table = Table(show_edge=False)
    # A column that this machine cannot fill takes no room.
    shown = [i for i in range(len(columns)) if i < 2 or any(row[i] for row in rows)]
    for i in shown:
        table.add_column(columns[i], justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(row[i] for i in shown))
    Console().print(table)


def _text(value: float | None, factor: float, digits: int) -> str:
    return "" if value is None else f"{value * factor:.{digits}f}"
