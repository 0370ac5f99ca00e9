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


WRITTEN = {
    "pending": {"claim": "running", "complete": "done", "retry": "pending"},
    "running": {"release": "pending", "expire": "pending", "complete": "done", "fail": "failed"},
    "done": {},
    "failed": {"retry": "pending"},
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", TrialEvent)
def test_each_event_leads_where_it_is_written_or_is_refused(state: State, event: TrialEvent) -> None:
    wanted = WRITTEN[state].get(event)
    assert can(state, event) is (wanted is not None)
    assert (state in sources(event)) is (wanted is not None)
    if wanted is not None:
        assert next_state(state, event) == wanted
        return
    with pytest.raises(TransitionError, match=rf"^a trial that is {state} cannot {event}$"):
        next_state(state, event)


def test_sources_are_in_the_order_of_the_states() -> None:
    assert sources(TrialEvent.COMPLETE) == (State.PENDING, State.RUNNING)
    assert sources(TrialEvent.RETRY) == (State.PENDING, State.FAILED)


def test_the_table_is_markdown_with_a_row_per_state() -> None:
    assert table().splitlines() == [
        "| state | claim | release | expire | complete | fail | retry |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| **pending** | running |  |  | done |  | pending |",
        "| **running** |  | pending | pending | done | failed |  |",
        "| **done** |  |  |  |  |  |  |",
        "| **failed** |  |  |  |  |  | pending |",
    ]
    assert table().endswith("|\n")
