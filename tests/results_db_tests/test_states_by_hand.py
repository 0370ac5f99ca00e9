"""Every pair of a state and an event, written out."""

from __future__ import annotations

import pytest

from results_db.states import State, TransitionError, TrialEvent, can, next_state, sources, table

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
