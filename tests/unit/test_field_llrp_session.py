"""The session's table: every state times every event."""

from __future__ import annotations

import itertools

import pytest

from protocols.field.llrp.session import TRANSITIONS, UNANSWERED, Do, Event, Send, State, step

LIVE = [state for state in State if state not in (State.IDLE, State.OVER)]


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_state_times_every_event(state: State, event: Event) -> None:
    after, actions = step(state, event)
    if (state, event) not in TRANSITIONS:
        assert (after, actions) == (state, ())
    if state is State.OVER:
        assert (after, actions) == (State.OVER, ())
    if after is State.OVER and state is not State.OVER:
        assert actions in ((Do.FAIL,), (Do.LET_GO,))
    if after is State.RUNNING and state not in (State.RUNNING, State.CHECKING):
        assert actions == (Do.RESUME, Send.RELEASE)
    asked = [a for a in actions if isinstance(a, Send) and a not in UNANSWERED]
    assert len(asked) <= 1  # one request is under way at a time
    waits = after not in (State.IDLE, State.GREETING, State.RUNNING, State.OVER)
    assert bool(asked) == (waits and after is not state)


@pytest.mark.parametrize("state", LIVE)
def test_a_live_session_always_answers_keepalives_and_can_end(state: State) -> None:
    assert step(state, Event.KEEPALIVE) == (state, (Send.ALIVE,))
    for end in (Event.SILENT, Event.BROKEN):
        assert step(state, end)[0] is State.OVER
    assert step(state, Event.LEAVE)[0] is State.CLOSING


def reach(start: State) -> set[State]:
    """Return every state that some events lead to from this one."""
    reached: set[State] = set()
    coming = {start}
    while coming - reached:
        reached |= coming
        coming = {step(state, event)[0] for state in reached for event in Event}
    return reached


def test_every_state_is_reached() -> None:
    assert reach(State.IDLE) == set(State)


def test_tag_reads_come_back_from_every_state_of_a_live_session() -> None:
    for start in LIVE:
        assert (State.RUNNING in reach(start)) == (start is not State.CLOSING), start
