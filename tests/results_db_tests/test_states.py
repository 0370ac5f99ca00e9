from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results_db.states import TRANSITIONS, State, TransitionError, TrialEvent, can, next_state, sources, table

EVENTS = st.lists(st.sampled_from(TrialEvent), max_size=40)


def walk(events: list[TrialEvent]) -> list[State]:
    """The states a trial goes through; refused events leave it where it is."""
    states = [State.PENDING]
    for event in events:
        states.append(next_state(states[-1], event) if can(states[-1], event) else states[-1])
    return states


@given(EVENTS)
def test_a_finished_trial_stays_finished(events: list[TrialEvent]) -> None:
    states = walk(events)
    if State.DONE in states:
        assert set(states[states.index(State.DONE) :]) == {State.DONE}


@given(EVENTS)
def test_a_trial_that_is_not_finished_can_always_still_be(events: list[TrialEvent]) -> None:
    state = walk(events)[-1]
    way = {
        State.PENDING: [TrialEvent.CLAIM, TrialEvent.COMPLETE],
        State.RUNNING: [TrialEvent.COMPLETE],
        State.FAILED: [TrialEvent.RETRY, TrialEvent.CLAIM, TrialEvent.COMPLETE],
        State.DONE: [],
    }[state]
    for event in way:
        state = next_state(state, event)
    assert state is State.DONE


@given(EVENTS)
def test_only_a_claim_starts_a_run(events: list[TrialEvent]) -> None:
    states = walk(events)
    for event, before, after in zip(events, states, states[1:], strict=False):
        assert not (after is State.RUNNING and before is not State.RUNNING) or event is TrialEvent.CLAIM


@given(st.sampled_from(State), st.sampled_from(TrialEvent))
def test_an_event_happens_or_is_refused(state: State, event: TrialEvent) -> None:
    if can(state, event):
        assert next_state(state, event) is TRANSITIONS[state, event]
        assert state in sources(event)
    else:
        with pytest.raises(TransitionError, match=f"{state} cannot {event}"):
            next_state(state, event)


def test_the_table_in_the_docs_is_the_one_in_the_code() -> None:
    page = Path(__file__).parents[2] / "docs" / "states.md"
    assert table() in page.read_text()
