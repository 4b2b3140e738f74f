"""The states of a recall: every state times every event."""

from __future__ import annotations

import pytest

from aggregator.errors import ConflictError
from aggregator.model.genealogy.recall import TRANSITIONS, CaseEvent, CaseState, drawn, step


@pytest.mark.parametrize("state", CaseState)
@pytest.mark.parametrize("event", CaseEvent)
def test_every_event_leads_on_or_is_refused_with_what_is_possible(
    state: CaseState, event: CaseEvent
) -> None:
    if (state, event) in TRANSITIONS:
        assert step(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(ConflictError, match=state.value) as raised:
            step(state, event)
        assert raised.value.hint


def test_a_case_is_closed_only_when_everything_is_accounted_for() -> None:
    with pytest.raises(ConflictError, match="1 located items"):
        step(CaseState.PUBLISHED, CaseEvent.CLOSE, unaccounted=1)
    reaching = {state for (state, _), after in TRANSITIONS.items() if after is CaseState.CLOSED}
    assert reaching == {CaseState.PUBLISHED}


def test_nothing_leads_out_of_an_ended_case() -> None:
    ended = {CaseState.CLOSED, CaseState.CANCELLED}
    assert not [state for state, _ in TRANSITIONS if state in ended]


def test_a_draw_is_within_bounds_and_the_same_for_the_same_seed() -> None:
    draws = [drawn(f"seed {number}", 7) for number in range(200)]
    assert set(draws) == set(range(7))
    assert drawn("x", 7) == drawn("x", 7)
