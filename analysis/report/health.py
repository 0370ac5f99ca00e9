"""How the sweep went: what is done, what failed and why, how long it took, which machines did it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from results_db.store import Store

MOST_FAILURES = 500


def health(store: Store, sweep: str | None = None) -> dict[str, Any]:
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
