"""What a shell offers at Tab. A completion prints no error and loads no training library; at worst it is empty."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from results_db.store import Store

T = TypeVar("T")
SPACES = ("demo", "paper", "extended")
EMBEDDED = ("embedded-train", "embedded-test")
BACKENDS = ("eager", "compile", "cudagraph", "onnxruntime", "tensorrt", "openvino", "ncnn", "vulkan")
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
"""What the built-in backends are and have; their files import PyTorch, so a test compares."""
KIT_PRECISIONS = ("fp32", "fp16", "int8")
NETWORKS = (".onnx", ".safetensors", ".pt", ".pt2", ".pth", ".model")
"""Endings of files that hold a trained network."""
SPEED_PROTOCOLS = ("fullhd14", "uhd14", "qhd5")
QUALITY_PROTOCOLS = ("aa", "matlab")


def ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Configs of the space that was named (else the paper's), and those of the database."""
    from search_space.spaces import load_space

    def named() -> list[str]:
        asked = str(ctx.params.get("space") or "paper")
        # A Python file is run as a program: nobody asks for that by pressing Tab.
        return [config.id for config in load_space(asked if asked in SPACES else "paper").configs]

    return _starting(incomplete, [*_quietly(named), *_stored(ctx, "trial", "config")])


def models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Configs, and files that hold a network."""
    return [*ids(ctx, incomplete), *_files(incomplete, NETWORKS)]


def families(incomplete: str) -> list[str]:
    """Registered families."""
    from search_space.registry import families as registered

    return _starting(incomplete, _quietly(lambda: list(registered())))


def spaces(incomplete: str) -> list[str]:
    """Named spaces, families, and space files."""
    return [
        *_starting(incomplete, SPACES),
        *families(incomplete),
        *_files(incomplete, (".yaml", ".yml", ".json", ".py")),
    ]


def recipes(incomplete: str) -> list[str]:
    """Shipped recipes, and recipe files."""
    from workers.training.recipe import shipped

    return [*_starting(incomplete, shipped()), *_files(incomplete, (".yaml", ".yml", ".json"))]


def charts(incomplete: str) -> list[str]:
    """Kinds of chart."""
    from analysis.kinds import KINDS

    return _starting(incomplete, KINDS)


def sweeps(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the sweeps in the database."""
    return _starting(incomplete, _stored(ctx, "sweep", "name"))


def studies(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of searches: their trainings are sweeps of the database."""
    searches = [name for name in _stored(ctx, "sweep", "name") if name.startswith("search-")]
    full = [name.removeprefix("search-") for name in searches if not name.endswith("-screen")]
    return _starting(incomplete, full)


def tags(ctx: typer.Context, incomplete: str) -> list[str]:
    """Tags of the sweeps in the database."""
    from results_db.reading.sweeps import tags_of

    return _starting(incomplete, _ask(ctx, lambda store: [tag for row in store.sweeps() for tag in tags_of(row)]))


def devices(ctx: typer.Context, incomplete: str) -> list[str]:
    """Devices with a speed in the database, and the name of this machine."""
    from sweep.settings_file import settings

    here = _quietly(lambda: [settings(os.environ, Path.cwd())["device"].value or os.uname().nodename])
    return _starting(incomplete, [*_stored(ctx, "speed", "device"), *here])


def metrics(ctx: typer.Context, incomplete: str) -> list[str]:
    """Metrics of the database."""
    from results_db.reading.frames import measures

    return _starting(incomplete, _ask(ctx, lambda store: list(measures(store))))


def metric_names(incomplete: str) -> list[str]:
    """Metrics that can be measured."""
    from search_space.metrics import METRICS

    return _starting(incomplete, METRICS)


def sources(incomplete: str) -> list[str]:
    """Sources of results."""
    from results_db.records import Source

    return _starting(incomplete, list(Source))


def speed_protocols(ctx: typer.Context, incomplete: str) -> list[str]:
    """Speed protocols: those with a name, and those of the database."""
    return _starting(incomplete, [*SPEED_PROTOCOLS, *_stored(ctx, "speed", "protocol")])


def named_speed_protocols(incomplete: str) -> list[str]:
    """Speed protocols with a name."""
    return _starting(incomplete, SPEED_PROTOCOLS)


def quality_protocols(incomplete: str) -> list[str]:
    """Quality protocols by their short names."""
    return _starting(incomplete, QUALITY_PROTOCOLS)


def stored_quality_protocols(ctx: typer.Context, incomplete: str) -> list[str]:
    """Quality protocols of the database."""
    return _starting(incomplete, _stored(ctx, "measure", "protocol"))


def backends(incomplete: str) -> list[str]:
    """Ways to run a network."""
    return _starting(incomplete, BACKENDS)


def precisions(incomplete: str) -> list[str]:
    """Precisions of a speed."""
    return _starting(incomplete, PRECISIONS)


def kit_precisions(incomplete: str) -> list[str]:
    """Precisions of the files in a kit."""
    return _starting(incomplete, KIT_PRECISIONS)


def image_sets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Image sets under the data root, else the embedded ones."""
    from sweep.settings_file import settings
    from workers.data.datasets import available

    def listed() -> list[str]:
        root = ctx.params.get("data_root") or settings(os.environ, Path.cwd())["data-root"].value
        return [*EMBEDDED, *(available(root) if root else ())]

    return _starting(incomplete, _quietly(listed))


def image_folders(incomplete: str) -> list[str]:
    """The embedded sets, and folders."""
    return [*_starting(incomplete, EMBEDDED), *_files(incomplete, ())]


def downloadable_sets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Image sets that can be downloaded."""
    from workers.data.sources import read_sources

    return _starting(incomplete, _quietly(lambda: list(read_sources(ctx.params.get("registry")))))


def stored_test_sets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Test sets of the database, and those of the published results where a replay is of them."""
    from workers.data.datasets import TESTS

    published = TESTS if ctx.params.get("table") == "published" else ()
    return _starting(incomplete, [*published, *_stored(ctx, "measure", "dataset")])


def _starting(incomplete: str, values: Iterable[str]) -> list[str]:
    return [value for value in dict.fromkeys(map(str, values)) if value.startswith(incomplete)]


def _files(incomplete: str, endings: tuple[str, ...]) -> list[str]:
    """Folders, and files with one of the endings, as far as they are typed."""
    typed = Path(incomplete)
    folder = typed if incomplete.endswith("/") else typed.parent
    found = _quietly(lambda: sorted(folder.iterdir()))
    return _starting(
        incomplete,
        [f"{path}/" if path.is_dir() else str(path) for path in found if path.is_dir() or path.suffix in endings],
    )


def _stored(ctx: typer.Context, table: str, column: str) -> list[str]:
    """The different values of a column of the database."""

    def read(connection: Connection) -> list[str]:
        from sqlalchemy import select

        from results_db.schema import metadata

        wanted = metadata.tables[table].c[column]
        return list(connection.execute(select(wanted).distinct().order_by(wanted)).scalars())

    return _ask(ctx, lambda store: store.database.read(read))


def _ask(ctx: typer.Context, question: Callable[[Store], list[str]]) -> list[str]:
    """Ask the database that the command would use; nothing where there is none."""
    from results_db.store import Store
    from sweep.api.arguments import DEFAULT_DB
    from sweep.settings_file import settings

    def answer() -> list[str]:
        typed = ctx.params.get("db")
        url = typed if typed not in (None, DEFAULT_DB) else settings(os.environ, Path.cwd())["db"].value or DEFAULT_DB
        with Store.open(url, readonly=True, busy_timeout_s=1) as store:
            return question(store)

    return _quietly(answer)


def _quietly(values: Callable[[], list[T]]) -> list[T]:
    with suppress(Exception):
        return values()
    return []
