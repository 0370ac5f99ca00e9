"""``sweep data``: get image sets, and say what is there."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_space.errors import BadData
from sweep.cli import completion, output
from sweep.cli.options import Json
from sweep.settings_file import VARIABLES

if TYPE_CHECKING:
    from workers.data.datasets import Inventory
    from workers.data.sources import ImageSetSource

Root = Annotated[
    Path,
    typer.Option(
        "--data-root", envvar=VARIABLES["data-root"], help="The folder with one folder per set.", metavar="DIR"
    ),
]
Registry = Annotated[
    Path | None,
    typer.Option(
        "--registry", envvar="EDGE_SWEEP_DATASETS", help="Your own list of sets: YAML or JSON.", metavar="FILE"
    ),
]


def add(app: typer.Typer) -> None:
    """Register ``sweep data fetch`` and ``sweep data check``."""
    data = typer.Typer(help="Get image sets, and say what is there.", no_args_is_help=True)
    data.command("fetch")(fetch)
    data.command("check")(check)
    data.command("sources")(sources)
    app.add_typer(data, name="data")


def fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="As in sweep data sources.", autocompletion=completion.downloadable_sets
        ),
    ],
    data_root: Root = Path("data"),
    url: Annotated[str | None, typer.Option("--url", help="Another place to get it from (one NAME).")] = None,
    sha256: Annotated[str | None, typer.Option("--sha256", help="Of the archive (one NAME).", metavar="HEX")] = None,
    include: Annotated[
        str | None, typer.Option("--include", help='Images in the archive to take, for example "*/HR/*" (one NAME).')
    ] = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Take an archive without a known SHA-256.")] = False,
    registry: Registry = None,
) -> None:
    """Download image sets, checked by SHA-256, into DIR/NAME. Run again to go on after a broken connection.

    Example: sweep data fetch DIV2K-valid --data-root data

    Example: sweep data fetch Set5 --sha256 HEX --data-root data
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from workers.data.download import fetch as fetch_set

    if (url or sha256 or include) and len(names) > 1:
        raise BadData("--url, --sha256 and --include are for one NAME at a time")
    chosen = [_source(name, registry, url, sha256, include) for name in dict.fromkeys(names)]
    stderr = output.stderr()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        for source in chosen:
            task = bar.add_task(source.name, total=None)

            def show(have: int, total: int | None, task: Any = task) -> None:
                bar.update(task, completed=have, total=total)

            got = fetch_set(source, data_root, verify=not no_verify or sha256 is not None, progress=show)
            if got is None:
                output.print_text(f"{source.name}: already in {data_root / source.name}")
            else:
                checked = "checked" if got.verified else "NOT checked, note it down"
                output.print_text(f"{got.name}: {got.images} images in {got.folder} (SHA-256 {got.sha256}, {checked})")


def _source(
    name: str, registry: Path | None, url: str | None, sha256: str | None, include: str | None
) -> ImageSetSource:
    from workers.data.sources import ImageSetSource, read_sources

    registered = read_sources(registry)
    if name not in registered and url is None:
        raise BadData(f"no image set {name!r} is known (known: {', '.join(registered)}); give --url")
    source = registered[name] if name in registered else ImageSetSource(name, url or "")
    if url is not None and url != source.url:
        # SHA-256 and include belong to the usual archive and not to another one.
        source = ImageSetSource(name, url)
    return replace(source, sha256=sha256 or source.sha256, include=include or source.include)


def sources(
    registry: Registry = None,
    as_json: Json = False,
) -> None:
    """List what fetch knows: names, URLs, and whether a SHA-256 is known.

    Example: sweep data sources --json
    """
    from workers.data.sources import read_sources

    listed = read_sources(registry).values()
    if as_json:
        output.print_json([asdict(source) for source in listed])
        return
    for source in listed:
        output.print_text(f"{source.name:12} {'SHA-256 known' if source.sha256 else 'needs --sha256':14} {source.url}")


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Default: all that is there.", autocompletion=completion.image_sets),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(
            "--data-root", envvar=VARIABLES["data-root"], help="Without one: the embedded sets.", metavar="DIR"
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit status 1 when a file would be skipped.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is there: images, sizes, unusable files by name, and a digest of the content.

    Example: sweep data check --data-root data --json

    Exit status 1 when a named set is missing or unusable.
    """
    from rich.progress import track

    from workers.data.datasets import available, inventory

    everything = available(data_root) if data_root is not None else ("embedded-train", "embedded-test")
    chosen = tuple(names or everything)
    if not chosen:
        raise BadData(
            f"there is no image set in {data_root}: `sweep data fetch NAME --data-root {quote(str(data_root))}`"
        )
    stderr = output.stderr()
    inventories = [
        inventory(name, data_root)
        for name in track(chosen, "reading", console=stderr, transient=True, disable=not stderr.is_terminal)
    ]
    if as_json:
        output.print_json([_row(inventory) for inventory in inventories])
    else:
        _table(inventories)
    bad = [inventory for inventory in inventories if inventory.error is not None or (strict and inventory.skipped)]
    if bad and (names or strict or len(bad) == len(inventories)):
        raise typer.Exit(1)


def _row(inventory: Inventory) -> dict[str, Any]:
    return asdict(inventory) | {"role": _role(inventory.name)}


def _role(name: str) -> str:
    from workers.data.datasets import TESTS, TRAINING

    if name in TRAINING or name == "embedded-train":
        return "training"
    return "test" if name in TESTS or name == "embedded-test" else "other"


def _table(inventories: list[Inventory]) -> None:
    rows = []
    for inventory in inventories:
        if inventory.error is None and inventory.largest is not None:
            size = f"{inventory.bytes / 2**20:.1f}" if inventory.bytes else ""
            largest = "x".join(map(str, inventory.largest))
            numbers = [str(inventory.images), f"{inventory.megapixels:.2f}", size, largest]
            rows.append([inventory.name, _role(inventory.name), *numbers, inventory.digest or ""])
    output.print_table(["set", "use", "images", "Mpixel", "MiB", "largest", "digest"], rows, left=2)
    for inventory in inventories:
        if inventory.error is not None:
            output.print_text(f"unusable: {inventory.error}")
        for skipped in inventory.skipped:
            output.print_text(f"left out: {inventory.name}/{skipped.name}: {skipped.reason}")
