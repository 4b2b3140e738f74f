"""No path leads to a sensitive act without two persons, each in a right of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import ConflictError
from aggregator.model.approval import (
    TRANSITIONS,
    Approval,
    ApprovalId,
    Event,
    State,
    step,
)
from aggregator.model.disposition import UserId

PEOPLE = [UserId("li"), UserId("chen"), UserId("wang")]
DEADLINE = 50

people = st.sampled_from(PEOPLE)
turns = st.tuples(
    st.sampled_from(Event), people, st.one_of(st.none(), people), st.integers(0, DEADLINE + 20)
)


def asked(by: UserId) -> Approval:
    return Approval(
        id=ApprovalId("a-1"),
        kind="end_account",
        document="{}",
        hash="00",
        why="left",
        asked_by=by,
        asked_at=0,
        expires_at=DEADLINE,
    )


@pytest.mark.clause("21 CFR 11.10(f)")
@pytest.mark.clause("21 CFR 11.10(g)")
@pytest.mark.req(35)
@pytest.mark.req(36)
@given(people, st.lists(turns, max_size=12))
def test_nothing_is_done_but_by_two_persons_in_time(
    first: UserId, story: list[tuple[Event, UserId, UserId | None, int]]
) -> None:
    """P12; 21 CFR 11.10(g): whatever is tried by whomever in whose place, at whatever time."""
    found = asked(first)
    approved_by: UserId | None = None  # kept apart from what the state remembers
    times_done = 0
    for event, by, principal, now in story:
        before = found
        try:
            found = step(found, event, by, now, in_place_of=principal)
        except ConflictError:
            assert found == before
            continue
        assert now < DEADLINE
        match event:
            case Event.APPROVE:
                assert by != first
                assert principal != first, "a delegate of the first person is no second one"
                approved_by = by
            case Event.DENY:
                assert by != first
                approved_by = None
            case Event.WITHDRAW:
                assert by == first
                approved_by = None
            case Event.DO:
                assert approved_by is not None
                assert approved_by != first
                assert by in {first, approved_by}
                times_done += 1
                note("done")
        assert (found.document, found.hash, found.asked_by) == ("{}", "00", first)
    assert times_done <= 1


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_state_takes_the_events_of_its_row_alone(state: State, event: Event) -> None:
    found = replace(asked(PEOPLE[0]), state=state, decided_by=PEOPLE[1])
    by = PEOPLE[0] if event in (Event.WITHDRAW, Event.DO) else PEOPLE[1]
    if (state, event) in TRANSITIONS:
        assert step(found, event, by, 1).state is TRANSITIONS[state, event]
    else:
        with pytest.raises(ConflictError, match=f"it is {state.value}"):
            step(found, event, by, 1)
    with pytest.raises(ConflictError):
        step(found, event, by, DEADLINE)
