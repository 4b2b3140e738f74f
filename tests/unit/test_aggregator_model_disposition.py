"""Every stage times every event: where it leads, or why it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from aggregator.errors import ConflictError
from aggregator.model.binding.fact import FactId
from aggregator.model.disposition import (
    TRANSITIONS,
    Disposition,
    Event,
    ExceptionId,
    Happening,
    Hindrance,
    Stage,
    UserId,
    Verdict,
    Version,
    hindrances,
    sentence,
    step,
)
from aggregator.model.record.batch_record import RecordState

LI: Final = UserId("li.wei")
CHEN: Final = UserId("chen.jie")
HEAT: Final = ExceptionId("heat")
GAP: Final = ExceptionId("gap")
ENTRY: Final = FactId("f-1")
WHOLE: Final = Version(
    number=2,
    record="b" * 64,
    state=RecordState.COMPLETE,
    exceptions=frozenset({HEAT}),
    entries={ENTRY: LI},
)
LATER: Final = replace(WHOLE, number=3, record="c" * 64, exceptions=frozenset({HEAT, GAP}))
PARTIAL: Final = replace(WHOLE, number=1, record="a" * 64, state=RecordState.OPEN)
DECIDED: Final = Disposition(
    version=WHOLE, decisions={HEAT: Verdict.ACCEPTED}, checked=frozenset({ENTRY}), reviewer=LI
)
AT: Final = {
    Stage.OPEN: Disposition(version=PARTIAL),
    Stage.COMPLETE: Disposition(stage=Stage.COMPLETE, version=WHOLE),
    Stage.IN_REVIEW: replace(DECIDED, stage=Stage.IN_REVIEW, reviewer=None),
    Stage.REVIEWED: replace(DECIDED, stage=Stage.REVIEWED),
    Stage.RELEASED: replace(
        DECIDED,
        stage=Stage.RELEASED,
        releaser=CHEN,
        later=LATER,
        decisions={HEAT: Verdict.ACCEPTED, GAP: Verdict.DEVIATION},
    ),
    Stage.REJECTED: replace(DECIDED, stage=Stage.REJECTED),
    Stage.HELD: replace(DECIDED, stage=Stage.HELD, before=Stage.IN_REVIEW, holder=LI),
}
HAPPENING: Final[dict[Event, Happening]] = {
    Event.ASSEMBLE: Happening(event=Event.ASSEMBLE, version=replace(LATER, record="d" * 64)),
    Event.DECIDE: Happening(
        event=Event.DECIDE, by=CHEN, exceptions=frozenset({HEAT}), verdict=Verdict.DEVIATION
    ),
    Event.CHECK_ENTRY: Happening(event=Event.CHECK_ENTRY, by=CHEN, entry=ENTRY),
    **{
        event: Happening(event=event, by=CHEN)
        for event in Event
        if event not in (Event.ASSEMBLE, Event.DECIDE, Event.CHECK_ENTRY)
    },
}


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("event", Event)
def test_each_stage_takes_exactly_the_events_of_the_table(stage: Stage, event: Event) -> None:
    before = AT[stage]
    if (stage, event) in TRANSITIONS:
        after = step(before, HAPPENING[event])
        lifted = event is Event.LIFT
        assert after.stage is (Stage.IN_REVIEW if lifted else TRANSITIONS[stage, event])
    else:
        assert Hindrance.STAGE in hindrances(before, HAPPENING[event])
        with pytest.raises(ConflictError, match="not at the stage"):
            step(before, HAPPENING[event])


def test_nothing_leaves_a_final_stage_but_a_hold() -> None:
    for stage in (Stage.RELEASED, Stage.REJECTED):
        leaving = {
            event for (at, event), to in TRANSITIONS.items() if at is stage and to is not stage
        }
        assert leaving == {Event.HOLD}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"version": replace(WHOLE, state=RecordState.OPEN)}, Hindrance.INCOMPLETE),
        ({"decisions": {}}, Hindrance.UNDECIDED),
        ({"decisions": {HEAT: Verdict.REJECTED}}, Hindrance.REFUSED_EXCEPTION),
        ({"checked": frozenset()}, Hindrance.UNCHECKED),
        ({"reviewer": CHEN}, Hindrance.SAME_PERSON),
    ],
)
def test_each_hindrance_alone_stops_the_release(
    change: dict[str, object], expected: Hindrance
) -> None:
    before = replace(AT[Stage.REVIEWED], **change)  # type: ignore[arg-type] # by field name
    assert hindrances(before, HAPPENING[Event.RELEASE]) == (expected,)
    with pytest.raises(ConflictError, match=sentence(expected)):
        step(before, HAPPENING[Event.RELEASE])


def test_the_dry_run_names_all_that_is_missing() -> None:
    assert hindrances(AT[Stage.OPEN], HAPPENING[Event.RELEASE]) == (
        Hindrance.STAGE,
        Hindrance.INCOMPLETE,
        Hindrance.UNDECIDED,
        Hindrance.UNCHECKED,
    )


def test_a_later_version_keeps_the_decisions_on_what_is_found_again() -> None:
    after = step(AT[Stage.REVIEWED], Happening(event=Event.ASSEMBLE, version=LATER))
    assert (after.stage, after.reviewer) == (Stage.IN_REVIEW, None)
    assert after.undecided == {GAP}
    assert after.checked == {ENTRY}


def test_the_same_version_again_changes_nothing() -> None:
    before = AT[Stage.REVIEWED]
    assert step(before, Happening(event=Event.ASSEMBLE, version=WHOLE)) == before


def test_a_version_that_is_no_longer_complete_takes_the_lot_back() -> None:
    partial = replace(PARTIAL, record="e" * 64)
    for stage in (Stage.COMPLETE, Stage.IN_REVIEW, Stage.REVIEWED):
        after = step(AT[stage], Happening(event=Event.ASSEMBLE, version=partial))
        assert after.stage is Stage.OPEN
    held = step(AT[Stage.HELD], Happening(event=Event.ASSEMBLE, version=partial))
    assert (held.stage, held.before) == (Stage.HELD, Stage.OPEN)


@pytest.mark.parametrize("stage", [Stage.RELEASED, Stage.HELD])
def test_what_was_released_stays_what_was_released(stage: Stage) -> None:
    before = replace(AT[Stage.RELEASED], later=None)
    if stage is Stage.HELD:
        before = step(before, HAPPENING[Event.HOLD])
    after = step(before, Happening(event=Event.ASSEMBLE, version=LATER))
    assert (after.version, after.later, after.stage) == (WHOLE, LATER, stage)
    assert after.undecided == set()


def test_an_addendum_needs_something_later_and_its_decisions() -> None:
    released = AT[Stage.RELEASED]
    covered = step(released, HAPPENING[Event.ADDEND])
    assert (covered.later, covered.covered) == (None, LATER.record)
    again = Happening(event=Event.ASSEMBLE, version=LATER)
    assert step(covered, again) == covered, "an addendum is signed once"
    none = replace(released, later=None)
    assert hindrances(none, HAPPENING[Event.ADDEND]) == (Hindrance.NOTHING_LATER,)
    open_one = replace(released, decisions={HEAT: Verdict.ACCEPTED})
    assert hindrances(open_one, HAPPENING[Event.ADDEND]) == (Hindrance.UNDECIDED,)


def test_who_holds_a_lot_does_not_lift_the_hold() -> None:
    held = step(AT[Stage.REVIEWED], Happening(event=Event.HOLD, by=CHEN))
    assert hindrances(held, Happening(event=Event.LIFT, by=CHEN)) == (Hindrance.SAME_PERSON,)
    lifted = step(held, Happening(event=Event.LIFT, by=LI))
    assert lifted == AT[Stage.REVIEWED]


def test_who_typed_an_entry_does_not_check_it() -> None:
    own = Happening(event=Event.CHECK_ENTRY, by=LI, entry=ENTRY)
    assert hindrances(AT[Stage.IN_REVIEW], own) == (Hindrance.SAME_PERSON,)


@pytest.mark.parametrize(
    "happening",
    [
        Happening(event=Event.DECIDE, by=LI, verdict=Verdict.ACCEPTED),
        Happening(event=Event.DECIDE, by=LI, exceptions=frozenset({GAP}), verdict=Verdict.ACCEPTED),
        Happening(event=Event.CHECK_ENTRY, by=CHEN, entry=FactId("f-2")),
    ],
)
def test_what_the_record_does_not_have_is_not_decided(happening: Happening) -> None:
    assert Hindrance.UNKNOWN in hindrances(AT[Stage.IN_REVIEW], happening)
