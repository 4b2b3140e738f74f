"""The fate of a lot: from an open record to release or rejection, by persons' acts alone.

    open → complete → in_review → reviewed → released | rejected          held: from any of them

``TRANSITIONS`` says which event leads where, ``hindrances`` what stands in an event's way, ``step``
takes it. There is no path to ``released`` but by a complete record, a decision on every exception,
a second check of every manual entry, and two different signers (21 CFR 11.10(f)).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NewType

from aggregator.errors import ConflictError
from aggregator.model.binding.fact import FactId
from aggregator.model.record.batch_record import RecordState

UserId = NewType("UserId", str)
"""Who a person is; never given to somebody else (21 CFR 11.100)."""

ExceptionId = NewType("ExceptionId", str)
"""The hash of a finding: the same finding in a later version of the record is the same id."""


class Stage(StrEnum):
    """How far a lot is."""

    OPEN = "open"  # something has not ended, or has not arrived
    COMPLETE = "complete"  # the record is whole, and nobody looks at it yet
    IN_REVIEW = "in_review"  # persons decide its exceptions
    REVIEWED = "reviewed"  # a reviewer has signed it
    RELEASED = "released"  # another person has released it; its bytes never change
    REJECTED = "rejected"  # a person has refused it for good
    HELD = "held"  # nothing goes on until another person lifts the hold


class Event(StrEnum):
    """What can happen to it."""

    ASSEMBLE = "assemble"  # a version of the record came about
    OPEN_REVIEW = "open_review"  # a person takes the record up
    DECIDE = "decide"  # a person decides exceptions
    CHECK_ENTRY = "check_entry"  # a second person vouches for what the first one typed
    SIGN_REVIEW = "sign_review"  # the reviewer signs
    RELEASE = "release"  # another person signs the release
    REJECT = "reject"  # a person refuses the lot
    HOLD = "hold"  # a person stops the lot
    LIFT = "lift"  # another person lets it go on
    ADDEND = "addend"  # after release: what came later is signed for


class Verdict(StrEnum):
    """What a person decides of an exception."""

    ACCEPTED = "accepted"  # explained, and no harm to the product
    DEVIATION = "deviation"  # handed to the quality system under a number
    REJECTED = "rejected"  # not acceptable: the lot cannot be released with it


class Hindrance(StrEnum):
    """Why an event cannot happen now."""

    STAGE = "stage"  # not at this stage
    INCOMPLETE = "incomplete"  # the data are not proved complete
    UNDECIDED = "undecided"  # an exception waits for its decision
    REFUSED_EXCEPTION = "refused_exception"  # an exception was found not acceptable
    UNCHECKED = "unchecked"  # a manual entry waits for its second check
    UNKNOWN = "unknown"  # the record has no such exception or entry
    SAME_PERSON = "same_person"  # it takes another person than the one who acted before
    NOTHING_LATER = "nothing_later"  # no later version than the one released


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What one version of a record asks of those who review it."""

    number: int  # from 1
    record: str  # SHA-256 of its bytes
    state: RecordState
    exceptions: frozenset[ExceptionId] = frozenset()
    entries: Mapping[FactId, UserId] = field(default_factory=dict)  # typed by whom


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """Where a lot stands and what was decided so far."""

    stage: Stage = Stage.OPEN
    version: Version | None = None  # the one that the stage is about
    later: Version | None = None  # after release: the newest one that no addendum covers
    covered: str = ""  # hash of the newest one that an addendum covers; empty before the first
    decisions: Mapping[ExceptionId, Verdict] = field(default_factory=dict)
    checked: frozenset[FactId] = frozenset()
    reviewer: UserId | None = None
    releaser: UserId | None = None
    holder: UserId | None = None
    before: Stage | None = None  # where the hold came in

    @property
    def looked_at(self) -> Version | None:
        """The version whose exceptions are decided now."""
        return self.later or self.version

    @property
    def undecided(self) -> frozenset[ExceptionId]:
        """Exceptions that wait for a decision."""
        return _exceptions(self) - self.decisions.keys()

    @property
    def refused(self) -> frozenset[ExceptionId]:
        """Exceptions that were found not acceptable."""
        found = _exceptions(self)
        return frozenset(each for each in found if self.decisions.get(each) is Verdict.REJECTED)

    @property
    def unchecked(self) -> frozenset[FactId]:
        """Manual entries that wait for their second check."""
        return frozenset(_entries(self)) - self.checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event with what it brings; ``by`` is None where nobody in person acts."""

    event: Event
    by: UserId | None = None
    in_place_of: UserId | None = None  # whose delegate ``by`` is, where the right is not their own
    version: Version | None = None  # of ASSEMBLE
    exceptions: frozenset[ExceptionId] = frozenset()  # of DECIDE
    verdict: Verdict | None = None  # of DECIDE
    entry: FactId | None = None  # of CHECK_ENTRY


_UNDER_WAY: Final = (Stage.OPEN, Stage.COMPLETE, Stage.IN_REVIEW, Stage.REVIEWED)

TRANSITIONS: Final[Mapping[tuple[Stage, Event], Stage]] = {
    # A version: a complete one takes the lot on or keeps it; an open one takes it back to OPEN.
    (Stage.OPEN, Event.ASSEMBLE): Stage.COMPLETE,
    (Stage.COMPLETE, Event.ASSEMBLE): Stage.COMPLETE,
    (Stage.IN_REVIEW, Event.ASSEMBLE): Stage.IN_REVIEW,
    (Stage.REVIEWED, Event.ASSEMBLE): Stage.IN_REVIEW,  # what was signed is no longer what is
    (Stage.RELEASED, Event.ASSEMBLE): Stage.RELEASED,
    (Stage.REJECTED, Event.ASSEMBLE): Stage.REJECTED,
    (Stage.HELD, Event.ASSEMBLE): Stage.HELD,
    (Stage.COMPLETE, Event.OPEN_REVIEW): Stage.IN_REVIEW,
    (Stage.REVIEWED, Event.OPEN_REVIEW): Stage.IN_REVIEW,  # sent back to be looked at again
    (Stage.IN_REVIEW, Event.DECIDE): Stage.IN_REVIEW,
    (Stage.RELEASED, Event.DECIDE): Stage.RELEASED,  # what came later, for its addendum
    (Stage.IN_REVIEW, Event.CHECK_ENTRY): Stage.IN_REVIEW,
    (Stage.RELEASED, Event.CHECK_ENTRY): Stage.RELEASED,
    (Stage.IN_REVIEW, Event.SIGN_REVIEW): Stage.REVIEWED,
    (Stage.REVIEWED, Event.RELEASE): Stage.RELEASED,
    (Stage.IN_REVIEW, Event.REJECT): Stage.REJECTED,
    (Stage.REVIEWED, Event.REJECT): Stage.REJECTED,
    **{(stage, Event.HOLD): Stage.HELD for stage in Stage if stage is not Stage.HELD},
    (Stage.HELD, Event.LIFT): Stage.HELD,  # and from there to where the hold came in
    (Stage.RELEASED, Event.ADDEND): Stage.RELEASED,
}


def step(disposition: Disposition, happening: Happening) -> Disposition:
    """Return where the lot stands after ``happening``; ConflictError names every hindrance."""
    found = hindrances(disposition, happening)
    if found:
        raise ConflictError(
            f"the lot is {disposition.stage.value.replace('_', ' ')}: it cannot "
            f"{happening.event.value.replace('_', ' ')} ("
            + "; ".join(_SAID[each] for each in found)
            + ")",
            hint="ask for the dry run: it lists what is missing",
        )
    stage, by = TRANSITIONS[disposition.stage, happening.event], happening.by
    moved = replace(disposition, stage=stage)
    match happening.event:
        case Event.ASSEMBLE:
            moved = _assembled(disposition, happening.version, stage)
        case Event.OPEN_REVIEW:
            moved = replace(moved, reviewer=None)
        case Event.DECIDE:
            decided = dict.fromkeys(happening.exceptions, happening.verdict or Verdict.REJECTED)
            moved = replace(moved, decisions={**moved.decisions, **decided})
        case Event.CHECK_ENTRY if happening.entry is not None:
            moved = replace(moved, checked=moved.checked | {happening.entry})
        case Event.SIGN_REVIEW:
            moved = replace(moved, reviewer=by)
        case Event.RELEASE:
            moved = replace(moved, releaser=by)
        case Event.HOLD:
            moved = replace(moved, holder=by, before=disposition.stage)
        case Event.LIFT:
            moved = replace(moved, stage=moved.before or Stage.OPEN, holder=None, before=None)
        case Event.ADDEND:
            covered = moved.later.record if moved.later else moved.covered
            moved = replace(moved, later=None, covered=covered)
        case _:
            pass
    return moved


def hindrances(disposition: Disposition, happening: Happening) -> tuple[Hindrance, ...]:
    """Return everything that stands in the way of ``happening``, whatever the stage."""
    event, by = happening.event, happening.by
    asked = _ASKED.get(event, ())
    state = None if disposition.version is None else disposition.version.state
    found = {
        Hindrance.STAGE: (disposition.stage, event) not in TRANSITIONS,
        Hindrance.INCOMPLETE: state is not RecordState.COMPLETE,
        Hindrance.UNDECIDED: bool(disposition.undecided),
        Hindrance.REFUSED_EXCEPTION: bool(disposition.refused),
        Hindrance.UNCHECKED: bool(disposition.unchecked),
        Hindrance.UNKNOWN: _is_unknown(disposition, happening),
        Hindrance.SAME_PERSON: by is None or _is_same(disposition, happening),
        Hindrance.NOTHING_LATER: disposition.later is None,
    }
    return tuple(each for each in (Hindrance.STAGE, *asked) if found[each])


def sentence(hindrance: Hindrance) -> str:
    """Return what a hindrance says to a person."""
    return _SAID[hindrance]


_ASKED: Final[Mapping[Event, tuple[Hindrance, ...]]] = {
    Event.OPEN_REVIEW: (Hindrance.INCOMPLETE,),
    Event.DECIDE: (Hindrance.UNKNOWN,),
    Event.CHECK_ENTRY: (Hindrance.UNKNOWN, Hindrance.SAME_PERSON),
    Event.SIGN_REVIEW: (Hindrance.INCOMPLETE, Hindrance.UNDECIDED, Hindrance.UNCHECKED),
    Event.RELEASE: (
        Hindrance.INCOMPLETE,
        Hindrance.UNDECIDED,
        Hindrance.REFUSED_EXCEPTION,
        Hindrance.UNCHECKED,
        Hindrance.SAME_PERSON,
    ),
    Event.LIFT: (Hindrance.SAME_PERSON,),
    Event.ADDEND: (Hindrance.NOTHING_LATER, Hindrance.UNDECIDED, Hindrance.UNCHECKED),
}
"""What each event needs besides its stage. An addendum may tell of an exception that was refused:
the lot is out by then, and the record says so."""

_SAID: Final[Mapping[Hindrance, str]] = {
    Hindrance.STAGE: "it is not at the stage for it",
    Hindrance.INCOMPLETE: "the data are not proved complete",
    Hindrance.UNDECIDED: "an exception waits for its decision",
    Hindrance.REFUSED_EXCEPTION: "an exception was found not acceptable",
    Hindrance.UNCHECKED: "a manual entry waits for its second check",
    Hindrance.UNKNOWN: "the record has no such exception or entry",
    Hindrance.SAME_PERSON: "it takes another person than the one who acted before",
    Hindrance.NOTHING_LATER: "nothing came after the release",
}


def _assembled(disposition: Disposition, version: Version | None, stage: Stage) -> Disposition:
    """Take a version up; the same one again changes nothing.

    Decisions stay with their exceptions: what is found again is decided already, so the review
    restarts for what changed and for nothing else.
    """
    known = disposition.looked_at
    if version is None or (known is not None and version.record == known.record):
        return disposition
    if version.record == disposition.covered:
        return disposition
    if Stage.RELEASED in (disposition.stage, disposition.before):
        return replace(disposition, later=version)
    fresh = replace(disposition, version=version, reviewer=None)
    if disposition.stage is Stage.HELD and disposition.before in _UNDER_WAY:
        return replace(
            fresh, before=_onward(TRANSITIONS[disposition.before, Event.ASSEMBLE], version)
        )
    if disposition.stage in _UNDER_WAY:
        return replace(fresh, stage=_onward(stage, version))
    return replace(disposition, later=version)


def _onward(stage: Stage, version: Version) -> Stage:
    return stage if version.state is RecordState.COMPLETE else Stage.OPEN


def _is_unknown(disposition: Disposition, happening: Happening) -> bool:
    if happening.event is Event.CHECK_ENTRY:
        return happening.entry not in _entries(disposition)
    return not happening.exceptions or not happening.exceptions <= _exceptions(disposition)


def first_person(disposition: Disposition, happening: Happening) -> UserId | None:
    """Return who did what this is to be held against; None where it takes one person."""
    match happening.event:
        case Event.RELEASE:
            return disposition.reviewer
        case Event.LIFT:
            return disposition.holder
        case Event.CHECK_ENTRY if happening.entry is not None:
            return _entries(disposition).get(happening.entry)
        case _:
            return None


def _is_same(disposition: Disposition, happening: Happening) -> bool:
    """Tell whether the first person acts again, or somebody in their place whom they chose."""
    first = first_person(disposition, happening)
    return first is not None and first in (happening.by, happening.in_place_of)


def _exceptions(disposition: Disposition) -> frozenset[ExceptionId]:
    version = disposition.looked_at
    return frozenset() if version is None else version.exceptions


def _entries(disposition: Disposition) -> Mapping[FactId, UserId]:
    version = disposition.looked_at
    return {} if version is None else version.entries
