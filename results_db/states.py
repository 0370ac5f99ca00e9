"""The states of a trial and their one transition function: every change of state in the store goes through it."""

from __future__ import annotations

from enum import StrEnum

from search_space.errors import StoreError


class State(StrEnum):
    """The state of a trial."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class TrialEvent(StrEnum):
    """What can happen to a trial."""

    CLAIM = "claim"
    """A driver takes the trial under a lease; the attempt number goes up by one."""
    RELEASE = "release"
    """Its driver gives it back unfinished (Ctrl-C, a lost node it knows of)."""
    EXPIRE = "expire"
    """Its lease ran out: the driver is believed dead."""
    COMPLETE = "complete"
    """The newest attempt brings its result."""
    FAIL = "fail"
    """The newest attempt ended without a result."""
    RETRY = "retry"
    """A person or the retry policy asks for another attempt."""


class TransitionError(StoreError):
    """An event that makes no sense in the state a trial is in."""


TRANSITIONS: dict[tuple[State, TrialEvent], State] = {
    (State.PENDING, TrialEvent.CLAIM): State.RUNNING,
    # A lease ran out or was given back, nobody has taken the trial over, and the result arrives after all:
    # the same key means the same numbers, so hours of training are kept rather than done again.
    (State.PENDING, TrialEvent.COMPLETE): State.DONE,
    (State.RUNNING, TrialEvent.RELEASE): State.PENDING,
    (State.RUNNING, TrialEvent.EXPIRE): State.PENDING,
    (State.RUNNING, TrialEvent.COMPLETE): State.DONE,
    (State.RUNNING, TrialEvent.FAIL): State.FAILED,
    (State.FAILED, TrialEvent.RETRY): State.PENDING,
    # Asking twice changes nothing.
    (State.PENDING, TrialEvent.RETRY): State.PENDING,
}
"""Every transition there is; a pair that is not here is refused."""


def can(state: State, event: TrialEvent) -> bool:
    """Whether ``event`` may happen in ``state``."""
    return (state, event) in TRANSITIONS


def next_state(state: State, event: TrialEvent) -> State:
    """The state after ``event``.

    >>> next_state(State.PENDING, TrialEvent.CLAIM).value
    'running'

    Raises TransitionError when the event cannot happen in that state; DONE is final.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise TransitionError(f"a trial that is {state} cannot {event}") from None


def sources(event: TrialEvent) -> tuple[State, ...]:
    """The states in which ``event`` may happen, for the WHERE clause of a bulk update."""
    return tuple(state for state in State if can(state, event))


def table() -> str:
    """The transitions as a Markdown table (``docs/states.md`` holds it; a test keeps the two equal)."""
    lines = ["| state | " + " | ".join(TrialEvent) + " |", "| --- " * (len(TrialEvent) + 1) + "|"]
    for state in State:
        cells = [str(TRANSITIONS.get((state, event), "")) for event in TrialEvent]
        lines.append(f"| **{state}** | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
