"""``python -m analysis.table``: per family and scale the fastest, the best and the knee, as Markdown, LaTeX or CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.charts import style
from analysis.measures.frontier import frontier
from analysis.measures.knee import knee
from analysis.reading.measured_how import WAY, ways
from analysis.reading.results import Results
from search_space.errors import SweepError
from search_space.metrics import METRICS, Quantity

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("md", "latex", "csv")


@dataclass(frozen=True)
class Table:
    """Named columns of text or numbers; None where a value is not known."""

    columns: tuple[str, ...]
    digits: tuple[int | None, ...]
    """Digits after the point of each column; None for text and whole numbers."""
    rows: tuple[tuple[Any, ...], ...]


def best_models(results: Results, metric: Quantity, sets: Sequence[str] = ()) -> Table:
    """The table of a store: for each device, scale and family its fastest, best and knee model.

    Without a speed there is only the best. ``sets`` limits the test sets shown (default all).
    """
    qualities = _quality_columns(results, sets)
    rows = []
    whole = results.table.assign(way=ways(results.table[["fps", *WAY]].to_dict("records")))
    devices: list[str | None] = [*results.devices] or [None]
    for device in devices:
        table = whole if device is None else whole[whole["device"] == device]
        for scale in results.scales:
            at_scale = table[table["scale"] == scale]
            for family in style.in_order(at_scale["family"].unique()):
                for role, row in _chosen(at_scale[at_scale["family"] == family], metric):
                    cells = [row[name] for name in ("parameters", "fps", "power_w", *qualities)]
                    note = "disturbed" if row["disturbed"] is True else ""
                    rows.append(
                        (device or "", scale, family, role, row["config"], *map(_finite, cells), row["way"], note)
                    )
    names = [f"{METRICS[m.split(':')[0]].label} {m.split(':', 1)[1]}" for m in qualities]
    columns = (
        "device",
        "scale",
        "family",
        "what",
        "config",
        "parameters",
        "frames/s",
        "W",
        *names,
        "timed with",
        "note",
    )
    digits: tuple[int | None, ...] = (
        *[None] * 6,
        2,
        2,
        *(METRICS[m.split(":")[0]].decimals for m in qualities),
        None,
        None,
    )
    return Table(columns, digits, tuple(rows))


def _quality_columns(results: Results, sets: Sequence[str]) -> list[str]:
    """PSNR and SSIM columns, those of one test set together."""
    columns = [m for m in results.metrics if m.split(":")[0] in ("psnr", "ssim")]
    test_sets = list(dict.fromkeys(m.split(":", 1)[1] for m in columns))
    for name in sets:
        if name not in test_sets:
            raise SweepError(f"there is no test set {name!r} here (choose from {', '.join(test_sets)})")
    return [m for name in test_sets if not sets or name in sets for m in columns if m.split(":", 1)[1] == name]


def _chosen(table: pd.DataFrame, metric: Quantity) -> list[tuple[str, dict[str, Any]]]:
    """(role, row) of one family; a model with several roles comes once."""
    table = table[table[metric.column].notna()]
    if table.empty:
        return []
    sign = 1 if metric.more_is_better else -1
    quality = sign * table[metric.column].to_numpy(dtype=float)
    fps = table["fps"].to_numpy(dtype=float)
    roles: dict[int, list[str]] = {}
    timed = np.flatnonzero(~np.isnan(fps))
    if len(timed):
        order = timed[np.lexsort((quality[timed], fps[timed]))]
        roles.setdefault(int(order[-1]), []).append("fastest")
        members = timed[list(frontier(np.column_stack([fps[timed], quality[timed]])).members)]
        place = knee(np.log(fps[members]), quality[members])
        if place is not None and len(members) > 2:
            roles.setdefault(int(members[place]), []).append("knee")
    best = int(np.lexsort((np.nan_to_num(fps, nan=-1.0), quality))[-1])
    roles.setdefault(best, []).append("best")
    rows = [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
    return [(", ".join(names), rows[i]) for i, names in sorted(roles.items(), key=lambda item: quality[item[0]])]


def _finite(value: Any) -> Any:
    return None if value is None or not math.isfinite(value) else float(value)


def render(table: Table, form: str) -> str:
    """The table as text: ``md``, ``latex`` (booktabs) or ``csv`` (all digits). Raises SweepError for another form."""
    if form not in FORMATS:
        raise SweepError(f"there is no table format {form!r} (choose from {', '.join(FORMATS)})")
    return {"md": _markdown, "latex": _latex, "csv": _csv}[form](table)


def _cells(table: Table, row: tuple[Any, ...], unknown: str) -> list[str]:
    out = []
    for name, digits, value in zip(table.columns, table.digits, row, strict=True):
        if value is None:
            out.append(unknown)
        elif name == "parameters":
            out.append(f"{value:.0f}")
        elif digits is None:
            out.append(str(value))
        else:
            out.append(f"{value:.{digits}f}")
    return out


def _shown(table: Table) -> Table:
    """Without columns that hold nothing."""
    keep = [i for i in range(len(table.columns)) if any(row[i] not in (None, "") for row in table.rows)]
    return Table(
        tuple(table.columns[i] for i in keep),
        tuple(table.digits[i] for i in keep),
        tuple(tuple(row[i] for i in keep) for row in table.rows),
    )


def _markdown(table: Table) -> str:
    table = _shown(table)
    body = [_cells(table, row, "-") for row in table.rows]
    head = [name.replace("|", "\\|") for name in table.columns]
    widths = [max(len(cells[i]) for cells in [head, *body]) for i in range(len(head))]
    right = [isinstance(digits, int) or name == "parameters" for name, digits in zip(head, table.digits, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (w + 1) + ":" if r else "-" * (w + 2) for w, r in zip(widths, right, strict=True))
    return "\n".join([line(head), f"|{rule}|", *(line(cells) for cells in body)]) + "\n"


def _latex(table: Table) -> str:
    table = _shown(table)
    form = "".join(
        "r" if d is not None or n == "parameters" else "l" for n, d in zip(table.columns, table.digits, strict=True)
    )
    rows, last = [], None
    for row in table.rows:
        group = tuple(row[: table.columns.index("family")])
        if last is not None and group != last:
            rows.append(r"\midrule")
        last = group
        rows.append(" & ".join(_escape(cell) for cell in _cells(table, row, "--")) + r" \\")
    head = " & ".join(_escape(name) for name in table.columns) + r" \\"
    lines = [f"\\begin{{tabular}}{{{form}}}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {c: f"\\{c}" for c in "&%$#_{}"}
    return "".join(special.get(c, c) for c in text)


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow(["" if value is None else value for value in row])
    return out.getvalue()


def main() -> None:
    """``python -m analysis.table --db URL [--format md|latex|csv] [--device D] [--metric M] [--scale S]
    [--undisturbed-only]``."""
    import argparse
    import sys

    from analysis.reading.measured_how import notices
    from analysis.reading.results import gather
    from analysis.reading.selection import Selection
    from results_db.store import Store

    options = argparse.ArgumentParser(prog="python -m analysis.table", description=__doc__)
    options.add_argument("--db", default="sqlite:///sweep.db")
    options.add_argument("--format", default="md", choices=FORMATS)
    for name in ("device", "metric", "source", "sweep"):
        options.add_argument(f"--{name}")
    options.add_argument("--scale", type=int, action="append", default=[])
    options.add_argument("--undisturbed-only", action="store_true", help="leave out speeds measured on a busy machine")
    given = options.parse_args()
    try:
        selection = Selection(
            sweep=given.sweep, source=given.source, device=given.device, scales=tuple(given.scale),
            undisturbed_only=given.undisturbed_only,
        )  # fmt: skip
        with Store.open(given.db, readonly=True) as store:
            results, url = gather(store, selection), store.url
        sys.stdout.write(render(best_models(results, results.metric(given.metric)), given.format))
        for note in notices(results, url):
            print(note, file=sys.stderr)
    except SweepError as error:
        print(f"analysis: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
