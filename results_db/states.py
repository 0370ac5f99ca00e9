"""The states of a trial and their one transition function: every change of state in the store goes through it."""

from __future__ import annotations

from enum import StrEnum

from search_space.errors import StoreError


class State(StrEnum):
    """Where a trial stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Event(StrEnum):
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


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.PENDING, Event.CLAIM): State.RUNNING,
    # A lease ran out or was given back, nobody has taken the trial over, and the result arrives after all:
    # the same key means the same numbers, so hours of training are kept rather than done again.
    (State.PENDING, Event.COMPLETE): State.DONE,
    (State.RUNNING, Event.RELEASE): State.PENDING,
    (State.RUNNING, Event.EXPIRE): State.PENDING,
    (State.RUNNING, Event.COMPLETE): State.DONE,
    (State.RUNNING, Event.FAIL): State.FAILED,
    (State.FAILED, Event.RETRY): State.PENDING,
    # Asking twice changes nothing.
    (State.PENDING, Event.RETRY): State.PENDING,
}
"""Every transition there is; a pair that is not here is refused."""


def can(state: State, event: Event) -> bool:
    """Whether ``event`` may happen in ``state``."""
    return (state, event) in TRANSITIONS


def next_state(state: State, event: Event) -> State:
    """The state after ``event``.

    >>> next_state(State.PENDING, Event.CLAIM).value
    'running'

    Raises TransitionError when the event cannot happen in that state; DONE is final.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise TransitionError(f"a trial that is {state} cannot {event}") from None


def sources(event: Event) -> tuple[State, ...]:
    """The states in which ``event`` may happen, for the WHERE clause of a bulk update."""
    return tuple(state for state in State if can(state, event))


def table() -> str:
    """The transitions as a Markdown table (``docs/states.md`` holds it; a test keeps the two equal)."""
    lines = ["| state | " + " | ".join(Event) + " |", "| --- " * (len(Event) + 1) + "|"]
    for state in State:
        cells = [str(TRANSITIONS.get((state, event), "")) for event in Event]
        lines.append(f"| **{state}** | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
