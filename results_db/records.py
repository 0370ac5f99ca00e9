"""The values that the store returns."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from results_db.states import State
from search_space.facts import CudaState, Failure, Provenance, TrialKey

CUDA = "cuda"
"""The key of an attempt's stored detail that holds what ``facts.CudaState`` says; databases need no other schema."""


def cuda_state(stored: Mapping[str, Any] | None) -> CudaState | None:
    """As it was stored; a field that it lacks is not known, one of a later version is left out."""
    if stored is None:
        return None
    return CudaState(**{name: stored.get(name) for name in CudaState.__dataclass_fields__})  # type: ignore[arg-type]


def damage(kind: str, trial: int, data: bytes, sha256: str) -> str | None:
    """What is wrong with the stored bytes of a trial's artifact, in a line; None when their SHA-256 is theirs."""
    if hashlib.sha256(data).hexdigest() == sha256:
        return None
    return f"the {kind} of trial {trial} are damaged (SHA-256 differs): retry the trial"


class Source(StrEnum):
    """Who made a result."""

    OURS = "ours"
    PUBLISHED = "published"
    RE_EVALUATED = "re-evaluated"


ARCHIVED = "archived"
"""Key of ``SweepRow.settings``: the date on which a sweep was set aside."""


@dataclass(frozen=True)
class SweepRow:
    """One sweep as it was planned."""

    id: int
    name: str
    space: str
    recipe_json: str
    git: str
    source: Source
    settings: Mapping[str, Any]
    """All that ``sweep resume`` needs on another machine (data set names, seeds, pack size, ...); no secrets."""
    created_at: dt.datetime

    @property
    def archived(self) -> bool:
        """Whether it is set aside, and shown only where it is named."""
        return ARCHIVED in self.settings


@dataclass(frozen=True)
class TrialGroup:
    """Trials of one state that differ in their seed alone."""

    key: TrialKey
    """Of one of them."""
    state: State
    count: int


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial and its state."""

    id: int
    key: TrialKey
    state: State
    attempts: int
    """How many attempts were started."""
    failure: Failure | None
    """Class of the newest failure, kept while the trial is retried; None when it never failed."""
    owner: str | None
    lease_until: float | None
    """Seconds since 1970, UTC, by the store's clock; None when no driver holds it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one trial until the lease ends; ``attempt`` goes into the outcome."""

    trial: int
    attempt: int
    key: TrialKey


@dataclass(frozen=True)
class Recorded:
    """What ``Store.record`` did with each outcome, by trial id."""

    accepted: tuple[int, ...]
    fenced: tuple[int, ...]
    """Late (an older attempt, a lease that was taken over) or repeated: nothing was written."""
    reasons: Mapping[int, str] = field(default_factory=dict)
    """Why each fenced one was."""
    repeated: tuple[int, ...] = ()
    """Of the fenced, those whose own attempt, still the newest, already has an outcome of the same kind: a write that
    is repeated because its connection dropped after it had been committed."""


@dataclass(frozen=True)
class Counts:
    """How many trials of a sweep are in each state."""

    planned: int
    pending: int
    running: int
    done: int
    failed: int


@dataclass(frozen=True)
class Position:
    """How far a trial in training was when its state was stored last."""

    trial: int
    config: str
    step: int
    saved_at: float
    """Seconds since 1970, as ``started_at``."""
    running: bool
    """Whether the attempt that stored it still runs."""
    started_at: float
    """When that attempt began."""
    from_step: int
    """Where it began."""


@dataclass(frozen=True)
class AttemptRow:
    """One attempt at a trial."""

    trial: int
    number: int
    config: str
    owner: str
    node: str | None
    started_at: dt.datetime
    ended_at: dt.datetime | None
    outcome: str | None
    """``done``, ``failed``, ``expired``, ``released``; None while it runs."""
    failure: Failure | None
    error: str | None
    traceback: str | None
    seconds: float | None
    steps: int | None
    detail: Mapping[str, Any]
    """How this attempt differed (for example ``{"lr_scale": 0.5}``)."""
    provenance: Provenance | None = None
    """What trained it; None until it is done, and for results that were stored before this was kept."""


@dataclass(frozen=True)
class EventRow:
    """One event."""

    at: dt.datetime
    trial: int | None
    kind: str
    detail: str


@dataclass(frozen=True)
class Planned:
    """What ``Store.plan`` found."""

    created: int
    """Trials that no sweep had planned before."""
    shared: int
    """Trials of other sweeps that this one now shares, with their results."""
    already: int
    """Trials this sweep had planned before."""


@dataclass(frozen=True)
class Added:
    """What an import did, in numbers of values: new ones, ones stored with the same value or with another."""

    new: int
    same: int
    different: int


def utc(seconds: float) -> dt.datetime:
    """A stored time as an aware datetime."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
