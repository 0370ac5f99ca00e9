"""``sweep upscale``: enlarge images, folders and videos with a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_space.errors import BadData, SweepError
from sweep.cli import output
from sweep.cli.options import DEFAULT_DB, Db

if TYPE_CHECKING:
    from workers.upscale import Upscaler

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm")
MODELS = (".onnx", ".safetensors", ".pt", ".pt2", ".pth", ".model")


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("upscale")(upscale)


def upscale(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Images, folders of images, videos.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.", metavar="DIR")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="Config id, or a file: ONNX, weights.", metavar="ID|FILE")
    ],
    weights: Annotated[
        Path | None, typer.Option("--weights", "-w", help="With an id: weights file; default those in --db.")
    ] = None,
    tile: Annotated[int, typer.Option("--tile", min=16, help="Side of a tile in input pixels.")] = 384,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that are there.")] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Enlarge images (to PNG) and videos (to MP4 or MKV): luma by the network, colour and transparency by bicubic.

    Example: sweep upscale photo.jpg clip.mp4 -o big --model eSR-TM_s2_K5_C4.onnx

    Exit status 1 when some inputs could not be used; the others are done.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    stderr = output.stderr()
    upscaler = _upscaler(model, weights, tile, db)
    jobs = _jobs(inputs, out, upscaler.scale)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadData(f"cannot make the folder {out}: {error.strerror}") from None
    failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        whole = bar.add_task("files", total=len(jobs))
        for source, target in jobs:
            try:
                if target.exists() and not overwrite:
                    raise BadData(f"{target} is there already (--overwrite replaces it)")
                _upscale_file(source, target, upscaler, bar)
                output.print_text(str(target))
            except SweepError as error:
                failed += 1
                bar.console.print(f"{source}: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
            bar.advance(whole)
    if failed:
        raise typer.Exit(1)


def _upscaler(model: str, weights: Path | None, tile: int, db: str) -> Upscaler:
    from workers.timing.malloc import keep_freed_memory
    from workers.upscale import from_file, from_module

    keep_freed_memory()
    if Path(model).suffix.lower() in MODELS or Path(model).is_file():
        return from_file(Path(model), tile)
    from sweep.api.shipping import trained
    from sweep.planning.user_families import stored_config

    config = stored_config(model, db)
    return from_module(config, trained(config, weights, db)[0], tile)


def _jobs(inputs: list[Path], out: Path, scale: int) -> list[tuple[Path, Path]]:
    """(source, target) of every file; two sources never share a target."""
    from workers.upscale.video import SUFFIXES

    files: list[Path] = []
    for path in inputs:
        if path.is_dir():
            inside = sorted(f for f in path.iterdir() if f.suffix.lower() in (*IMAGES, *SUFFIXES) and f.is_file())
            if not inside:
                raise BadData(f"{path} holds no image and no video")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise BadData(f"there is no file or folder {path}")
    taken: set[Path] = set()
    jobs = []
    for file in files:
        video = file.suffix.lower() in SUFFIXES
        container = file.suffix.lower() if file.suffix.lower() in (".mp4", ".mkv", ".mov") else ".mkv"
        ending = container if video else ".png"
        target = out / f"{file.stem}_x{scale}{ending}"
        number = 2
        while target in taken:
            target = out / f"{file.stem}-{number}_x{scale}{ending}"
            number += 1
        taken.add(target)
        jobs.append((file, target))
    return jobs


def _upscale_file(source: Path, target: Path, upscaler: Upscaler, bar: Any) -> None:
    import io

    from PIL import Image

    from workers.data.image_set import read_picture
    from workers.export import write
    from workers.upscale.video import SUFFIXES, upscale_video

    if source.suffix.lower() in SUFFIXES:
        task = bar.add_task(source.name, total=None)
        upscale_video(source, target, upscaler, lambda done, total: bar.update(task, completed=done, total=total))
        bar.remove_task(task)
        return
    buffer = io.BytesIO()
    Image.fromarray(upscaler.image(*read_picture(source))).save(buffer, "PNG")
    write(buffer.getvalue(), target)
