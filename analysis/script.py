"""The command line that every ``python -m analysis.KIND`` shares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.charts.output import check, save
from analysis.kinds import KINDS, figure
from analysis.reading.selection import Selection, two_sweeps
from search_space.errors import SweepError
from search_space.metrics import COSTS

TEXTS = ("source", "against", "device", "backend", "precision", "metric", "protocol", "speed-protocol")
"""Options that are texts of their own."""


def parser(kind: str) -> argparse.ArgumentParser:
    """The options, as ``sweep plot`` has them."""
    out = argparse.ArgumentParser(prog=f"python -m analysis.{kind}", description=f"Draw {KINDS[kind]}.")
    out.add_argument("--db", default="sqlite:///sweep.db", help="results database (a bare path means SQLite)")
    out.add_argument("--out", type=Path, required=True, help="FILE.png, FILE.svg or FILE.pdf")
    for name in TEXTS:
        out.add_argument(f"--{name}")
    out.add_argument("--sweep", action="append", default=[])
    out.add_argument("--scale", type=int, action="append", default=[])
    out.add_argument("--family", action="append", default=[])
    out.add_argument("--x", default="fps", choices=list(COSTS))
    out.add_argument("--config", action="append", default=[])
    out.add_argument("--weights", type=Path, action="append", default=[])
    out.add_argument("--image", type=Path)
    out.add_argument("--crop", type=parse_crop, metavar="X,Y,W,H")
    out.add_argument("--undisturbed-only", action="store_true", help="leave out speeds measured on a busy machine")
    return out


def parse_crop(text: str) -> tuple[int, int, int, int]:
    """``X,Y,W,H`` in pixels. Raises SweepError."""
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise SweepError(f"--crop {text!r} is not X,Y,W,H") from None
    if x < 0 or y < 0 or width < 8 or height < 8:
        raise SweepError(f"--crop {text!r}: at least 8 x 8 pixels inside the image")
    return x, y, width, height


def main(kind: str, arguments: Sequence[str] | None = None) -> None:
    """Draw one chart; one line on stderr and exit status 2 for what cannot be done."""
    from results_db.store import Store

    try:
        given = parser(kind).parse_args(arguments)
        check(given.out)
        first, second = two_sweeps(given.sweep)
        selection = Selection(
            sweep=first, other_sweep=second, source=given.source, device=given.device, backend=given.backend,
            precision=given.precision, metric=given.metric, protocol=given.protocol,
            speed_protocol=given.speed_protocol, scales=tuple(given.scale), families=tuple(given.family), x=given.x,
            configs=tuple(given.config), weights=tuple(given.weights), image=given.image, crop=given.crop,
            against=given.against, undisturbed_only=given.undisturbed_only,
        )  # fmt: skip
        with Store.open(given.db, readonly=True) as store:
            save(figure(kind, store, selection, lambda text: print(text, file=sys.stderr)), given.out)
    except SweepError as error:
        print(f"analysis: {error}", file=sys.stderr)
        raise SystemExit(2) from None
