"""How what is shown was measured, in one line for a chart; and what else a person should know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.reading import disturbed
from analysis.reading.results import Results

if TYPE_CHECKING:
    import pandas as pd

PROTOCOL_SIZES = {"fullhd14": "1920x1080", "uhd14": "3840x2160", "qhd5": "960x540", "published-fullhd14": "1920x1080"}
"""Output sizes of named protocols, for speeds stored without one (``workers.benchmark.protocols``; a test holds it)."""
MOST_NAMED = 3
WAY = ("backend", "precision", "speed_protocol")


def timing_line(table: pd.DataFrame) -> str:
    """Output size, speed protocol, backend, precision, threads and number of speeds, as ``table`` has them.

    Several kinds are listed one after the other, so that two charts of different ones cannot be taken for each other;
    backends and precisions that share all else are joined.
    """
    timed = table[table["fps"].notna()]
    kinds: Any = timed.groupby(["speed_protocol", "backend", "precision"], sort=True)
    alike: dict[tuple[str, str], list[str]] = {}
    for (protocol, backend, precision), rows in kinds:
        alike.setdefault((_output(str(protocol), rows), _threads(rows)), []).append(f"{backend} {precision}")
    lines = [", ".join(part for part in (size, " and ".join(ways), threads) if part)
             for (size, threads), ways in alike.items()]  # fmt: skip
    more = [f"{len(lines) - MOST_NAMED} more ways of measuring"] if len(lines) > MOST_NAMED else []
    return "; ".join([*lines[:MOST_NAMED], *more])


def ways(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    """What tells the speeds of ``rows`` apart: of backend, precision and speed protocol those that differ.

    >>> one = {"fps": 9.0, "backend": "eager", "precision": "fp32"}
    >>> ways([one, one | {"backend": "compile"}]), ways([one, one])
    (['eager', 'compile'], ['', ''])
    """
    timed = [row for row in rows if row.get("fps") is not None and row["fps"] == row["fps"]]
    differ = [name for name in WAY if len({row.get(name) for row in timed}) > 1]
    return [" ".join(str(row[name]) for name in differ if isinstance(row.get(name), str)) for row in rows]


def _output(protocol: str, rows: pd.DataFrame) -> str:
    sizes = [size for size in sorted({*rows["output"].dropna()}) or [size_of(protocol)] if size]
    return f"{'/'.join(sizes)} ({protocol})" if sizes else protocol


def _threads(rows: pd.DataFrame) -> str:
    threads = sorted({int(n) for n in rows["threads"].dropna()})
    return f"{'/'.join(map(str, threads))} thread{'' if threads == [1] else 's'}" if threads else ""


def size_of(protocol: str) -> str:
    """The output size a protocol's name tells, or nothing.

    >>> size_of("fullhd14-t1"), size_of("640x360x5"), size_of("table-x")
    ('1920x1080', '640x360', '')
    """
    base = protocol if protocol in PROTOCOL_SIZES else protocol.split("-")[0]
    parts = base.split("x")
    written = "x".join(parts[:2]) if len(parts) == 3 and all(part.isdecimal() for part in parts) else ""
    return PROTOCOL_SIZES.get(base, written)


def line(results: Results, table: pd.DataFrame, measured: bool = True, quality: bool = True) -> str:
    """The one line of a chart: source, how quality and speed were measured, seeds, and how many speeds are disturbed.

    ``measured`` is for charts of speeds, ``quality`` for charts of qualities.
    """
    parts = [f"measurements: {results.source}"]
    if quality and results.protocol:
        parts.append(f"quality: {results.protocol}")
    if measured:
        parts.append(timing_line(table))
    parts.append(seeds(results))
    noisy = how_many_disturbed(table)
    if measured and noisy:
        parts.append(f"{noisy} (hollow)")
    if results.others:
        parts.append(f"not shown: {', '.join(results.others)}")
    return " · ".join(part for part in parts if part)


def seeds(results: Results) -> str:
    """How many trainings a model's quality is the mean of."""
    return f"mean of {results.repeats} seeds" if results.repeats > 1 else "1 seed"


def how_many_disturbed(table: pd.DataFrame) -> str:
    """How many of the speeds in ``table`` are disturbed, in words; empty where none is."""
    noisy, timed = int(disturbed.mask(table).sum()), int(table["fps"].notna().sum())
    return f"{noisy} of {timed} speeds disturbed" if noisy else ""


def notices(results: Results, url: str) -> list[str]:
    """Lines for a person: which source is shown where there are several, and which speeds are disturbed."""
    lines = []
    if results.others:
        there = ", ".join(f"{name} ({count} models)" for name, count in results.others.items())
        models = results.table["config"].nunique()
        lines.append(f"shown: {results.source} ({models} models); also here: {there}; --source chooses")
    return lines + disturbed.notes(disturbed.timings(results.table), url)


def tell_notices(results: Results, url: str, tell: Callable[[str], None]) -> None:
    """Call ``tell`` with each of the notices."""
    for text in notices(results, url):
        tell(text)
