"""A sensitive act that waits for a second person: asked for by one, decided by another.

    waiting → approved → done        denied, withdrawn, expired: from waiting and from approved

``TRANSITIONS`` says which event leads where, ``step`` takes it. Nobody decides what they asked for,
in no one's place, and a delegate does not decide what the one who named them asked for: the two
persons would be one's choice (EU GMP Annex 11 section 12; 21 CFR 11.10(g)).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NewType

from aggregator.errors import ConflictError
from aggregator.model.disposition import UserId
from protocols.wire.reading import Nanoseconds

ApprovalId = NewType("ApprovalId", str)


class State(StrEnum):
    """How far it is."""

    WAITING = "waiting"  # for the second person
    APPROVED = "approved"  # it may be done: an export taken once, an exchange until it ends
    DENIED = "denied"  # a second person refused it, or took the approval back
    WITHDRAWN = "withdrawn"  # whoever asked no longer does
    EXPIRED = "expired"  # nobody decided in time, or what was approved was not done in time
    DONE = "done"


class Event(StrEnum):
    """What can happen to it."""

    APPROVE = "approve"
    DENY = "deny"
    WITHDRAW = "withdraw"
    DO = "do"  # by whoever asked, or with the approval itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One act that was asked for, and what was decided of it."""

    id: ApprovalId
    kind: str
    document: str  # the act exactly as it was asked for: canonical JSON
    hash: str  # SHA-256 of the document in hexadecimal: what the second person has seen
    why: str
    asked_by: UserId
    asked_at: Nanoseconds
    expires_at: Nanoseconds
    state: State = State.WAITING
    decided_by: UserId | None = None
    in_place_of: UserId | None = None  # the principal whose delegate decided
    decided_at: Nanoseconds | None = None
    decided_why: str = ""

    def seen_at(self, now: Nanoseconds) -> State:
        """Return the state at a time: what may expire does so by itself."""
        ends = self.state in (State.WAITING, State.APPROVED) and now >= self.expires_at
        return State.EXPIRED if ends else self.state


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.WAITING, Event.APPROVE): State.APPROVED,
    (State.WAITING, Event.DENY): State.DENIED,
    (State.WAITING, Event.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED, Event.DENY): State.DENIED,
    (State.APPROVED, Event.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED, Event.DO): State.DONE,
}


def step(
    approval: Approval,
    event: Event,
    by: UserId,
    now: Nanoseconds,
    *,
    in_place_of: UserId | None = None,
) -> Approval:
    """Return what has become of it after ``event``; ConflictError where it cannot happen."""
    state = approval.seen_at(now)
    if (state, event) not in TRANSITIONS:
        raise ConflictError(
            f"it is {state.value}: one cannot {event.value} it", hint="ask for it anew"
        )
    if event in (Event.WITHDRAW, Event.DO):
        able = {approval.asked_by} if event is Event.WITHDRAW else _both(approval)
        if by not in able:
            raise ConflictError(f"{by} did not ask for it", hint="whoever did can do this")
        return replace(approval, state=TRANSITIONS[state, event])
    if by == approval.asked_by:
        raise ConflictError(
            "it takes another person than the one who asked",
            hint="withdraw what you asked for, or let another person decide",
        )
    if in_place_of == approval.asked_by:
        raise ConflictError(
            f"a delegate of {in_place_of} does not decide what {in_place_of} asked for",
            hint="let a person decide whose right does not come from the one who asked",
        )
    return replace(
        approval,
        state=TRANSITIONS[state, event],
        decided_by=by,
        in_place_of=in_place_of,
        decided_at=now,
    )


def _both(approval: Approval) -> set[UserId | None]:
    return {approval.asked_by, approval.decided_by}
