"""How the sweep went: what is done, what failed and why, how long it took, which machines did it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from results_db.store import Store

MOST_FAILURES = 500


def health(store: Store, sweeps: Sequence[str] = ()) -> dict[str, Any]:
    """``of_one`` over these sweeps together (none named: the whole store)."""
    parts = [of_one(store, name) for name in sweeps or (None,)]
    if len(parts) == 1:
        return parts[0]
    failures = [row for part in parts for row in part["failures"]]
    by_class: Counter[str] = sum((Counter(part["by_class"]) for part in parts), Counter())
    return {
        "counts": {name: sum(part["counts"][name] for part in parts) for name in parts[0]["counts"]},
        "failures": failures[:MOST_FAILURES],
        "failures_left_out": sum(part["failures_left_out"] for part in parts) + len(failures[MOST_FAILURES:]),
        "by_class": dict(by_class.most_common()),
        "nodes": [node for part in parts for node in part["nodes"]],
        "time": {name: _sum(part["time"][name] for part in parts) for name in ("wall", "work")},
        "attempts": sum(part["attempts"] for part in parts),
        "retried": sum(part["retried"] for part in parts),
    }


def of_one(store: Store, sweep: str | None = None) -> dict[str, Any]:
    """JSON-ready: ``counts``, ``failures`` (newest first), ``by_class``, ``nodes``, ``time`` (s)."""
    from results_db.reading import frames

    number = None if sweep is None else store.sweep_id(sweep)
    counts = store.counts(number)
    attempts = frames.attempts(store, sweep)
    failed = store.failures(number)
    rows = [
        {
            "config": row.config,
            "class": str(row.failure or "unknown"),
            "error": (row.error or "")[:400],
            "node": row.node or "",
            "attempt": row.number,
            "trial": row.trial,
        }
        for row in failed[::-1]
    ]
    return {
        "counts": {name: getattr(counts, name) for name in ("planned", "done", "failed", "running", "pending")},
        "failures": rows[:MOST_FAILURES],
        "failures_left_out": max(0, len(rows) - MOST_FAILURES),
        "by_class": dict(Counter(row["class"] for row in rows).most_common()),
        "nodes": _nodes(attempts),
        "time": _time(attempts),
        "attempts": len(attempts),
        "retried": int((attempts["number"] > 1).sum()) if len(attempts) else 0,
    }


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _nodes(attempts: pd.DataFrame) -> list[dict[str, Any]]:
    known = attempts[attempts["node"].notna()]
    out = []
    for node, mine in known.groupby("node"):
        seconds = mine["seconds"].sum()
        done, failed = int((mine["outcome"] == "done").sum()), int((mine["outcome"] == "failed").sum())
        out.append({"node": str(node), "done": done, "failed": failed, "seconds": round(float(seconds), 1)})
    return out


def _time(attempts: pd.DataFrame) -> dict[str, float | None]:
    """Wall time from the first start to the last end, and the sum of all attempts' training time."""
    ended = attempts["ended_at"].dropna()
    if ended.empty:
        return {"wall": None, "work": None}
    wall = float(ended.max() - attempts["started_at"].min())
    return {"wall": round(wall, 1), "work": round(float(attempts["seconds"].fillna(0).sum()), 1)}
