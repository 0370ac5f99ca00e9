"""Who works on a sweep now, and on what, as any process can read it from the database. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from results_db.records import AttemptRow, Position

UNKNOWN = "?"


@dataclass(frozen=True)
class WorkerAtWork:
    """One worker and the pack that it trains."""

    driver: str
    node: str
    device: str
    number: int
    configs: tuple[str, ...]
    since: float
    """When it got the pack, in seconds since 1970."""
    step: int | None
    """Of the last state that was stored; None before the first."""
    steps_per_s: float | None
    """Training steps of all members; None before a state is stored."""

    @property
    def doing(self) -> str:
        """What it does, in words."""
        first, more = self.configs[0], len(self.configs) - 1
        pack = first if not more else f"{first} and {more} more"
        return f"{pack}, step {self.step:,}" if self.step is not None else pack


def at_work(running: Sequence[AttemptRow], positions: Sequence[Position]) -> list[WorkerAtWork]:
    """The workers, by driver and node. Attempts of an executor that names no workers are one per driver and start."""
    stored = {position.trial: position for position in positions if position.running}
    packs: dict[tuple[str, str, str, int, float], list[AttemptRow]] = defaultdict(list)
    for attempt in running:
        detail = attempt.detail
        where = str(detail.get("host", UNKNOWN)), str(detail.get("device", UNKNOWN)), int(detail.get("worker", 0))
        packs[attempt.owner, *where, attempt.started_at.timestamp()].append(attempt)
    return [
        WorkerAtWork(*key[:4], tuple(a.config for a in members), key[4], *_pace(members, stored))
        for key, members in sorted(packs.items())
    ]


def _pace(members: Sequence[AttemptRow], stored: Mapping[int, Position]) -> tuple[int | None, float | None]:
    at = [stored[member.trial] for member in members if member.trial in stored]
    rates = [
        max(0, one.step - one.from_step) / (one.saved_at - one.started_at)
        for one in at
        if one.saved_at > one.started_at
    ]
    return (max(one.step for one in at), sum(rates) if rates else None) if at else (None, None)
