"""``sweep upscale``: enlarge images, folders and videos with a trained network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_space.errors import BadData, SweepError
from search_space.visible import visible
from sweep.cli import completion, output
from sweep.cli.options import DEFAULT_DB, Db

if TYPE_CHECKING:
    from workers.upscale import Upscaler
    from workers.upscale.inputs import Input
    from workers.upscale.targets import Targets


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("upscale")(upscale)


def upscale(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Images, folders of images, videos.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.", metavar="DIR")],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="Config id, or a file: ONNX, weights.",
            metavar="ID|FILE",
            autocompletion=completion.models,
        ),
    ],
    weights: Annotated[
        Path | None,
        typer.Option("--weights", "-w", metavar="FILE", help="With an id: weights file; default those in --db."),
    ] = None,
    tile: Annotated[int, typer.Option("--tile", min=16, help="Side of a tile in input pixels.")] = 384,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that are there.")] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Enlarge images (to PNG) and videos (to MP4, MOV or MKV): luma by the network, colour and transparency by bicubic.

    Animations become animated PNG, several pages a TIFF. Files in a folder are told by their content; a result that is
    there already is left as it is.

    Example: sweep upscale photo.jpg clip.mp4 -o big --model eSR-TM_s2_K5_C4.onnx

    Exit status 1 when some inputs, or files in the folders given, were not enlarged; each is named with the reason.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from workers.upscale.inputs import find
    from workers.upscale.targets import Targets

    stderr = output.stderr()
    upscaler = _upscaler(model, weights, tile, db)
    found, skipped = find(inputs)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadData(f"cannot make the folder {out}: {error.strerror}") from None
    for left in skipped:
        output.error(f"{left.name}: {left.reason}: left out")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        run = _Run(upscaler, Targets(found, out, upscaler.scale), overwrite, bar)
        whole = bar.add_task("files", total=len(found))
        for entry in found:
            run.upscale(entry)
            bar.advance(whole)
    run.end()
    if run.failed or skipped:
        raise typer.Exit(1)


class _Run:
    """Enlarges one input after the other and says what is to be said."""

    def __init__(self, upscaler: Upscaler, targets: Targets, overwrite: bool, bar: Any) -> None:
        self.upscaler, self.targets, self.overwrite, self.bar = upscaler, targets, overwrite, bar
        self.failed = self.there = 0
        self.noted: Counter[str] = Counter()

    def upscale(self, entry: Input) -> None:
        """One file; what goes wrong is said and counted."""
        try:
            self._upscale(entry)
        except SweepError as error:
            self.failed += 1
            self._say(f"{entry.path}: {error}", "red")

    def end(self) -> None:
        """What concerns all of them."""
        for text, count in self.noted.items():
            if count > 1:
                output.warn(f"the same of {count - 1} more: {text}")
        if self.there:
            results = "1 result was" if self.there == 1 else f"{self.there} results were"
            output.note(f"{results} there already (--overwrite makes them anew)")

    def _upscale(self, entry: Input) -> None:
        from workers.upscale import pictures, video
        from workers.upscale.inputs import Kind

        source, is_video = entry.path, entry.kind == Kind.VIDEO
        target = self.targets.target(entry, video.ending(source) if is_video else pictures.ending(source))
        if target.exists() and not self.overwrite:
            self.there += 1
            return
        task = self.bar.add_task(source.name, total=None)

        def progress(done: int, total: int | None) -> None:
            self.bar.update(task, completed=done, total=total)

        def note(text: str) -> None:
            self._note(source, text)

        try:
            if is_video:
                video.upscale_video(source, target, self.upscaler, progress, note)
            else:
                self._picture(source, target, progress)
        finally:
            self.bar.remove_task(task)
        output.print_text(str(target))

    def _picture(self, source: Path, target: Path, progress: Callable[[int, int | None], None]) -> None:
        from workers.upscale import pictures

        picture = pictures.read(source)
        for text in picture.notes:
            self._note(source, text)
        pictures.upscale_picture(picture, source, target, self.upscaler, progress)
        if picture.left_out:
            self.failed += 1
            self._say(f"{source}: {picture.left_out}", "red")

    def _note(self, source: Path, text: str) -> None:
        self.noted[text] += 1
        if self.noted[text] == 1:
            self._say(f"{source}: {text}", "yellow")

    def _say(self, text: str, style: str) -> None:
        self.bar.console.print(visible(text), style=style, markup=False, highlight=False, soft_wrap=True)


def _upscaler(model: str, weights: Path | None, tile: int, db: str) -> Upscaler:
    from workers.timing.malloc import keep_freed_memory
    from workers.upscale import from_file, from_module

    keep_freed_memory()
    if Path(model).suffix.lower() in completion.NETWORKS or Path(model).is_file():
        return from_file(Path(model), tile)
    from sweep.api.shipping import trained
    from sweep.planning.user_families import stored_config

    config = stored_config(model, db)
    return from_module(config, trained(config, weights, db)[0], tile)
