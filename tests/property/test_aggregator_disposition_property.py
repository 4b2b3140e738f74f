"""No path leads to release without a whole record, every decision and two signers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import ConflictError
from aggregator.model.binding.fact import FactId
from aggregator.model.disposition import (
    Disposition,
    Event,
    ExceptionId,
    Happening,
    Stage,
    UserId,
    Verdict,
    Version,
    step,
)
from aggregator.model.record.batch_record import RecordState

PEOPLE = [UserId("li"), UserId("chen"), UserId("wang")]
FINDINGS = [ExceptionId("heat"), ExceptionId("gap")]
ENTRIES = [FactId("f-1")]

people = st.sampled_from(PEOPLE)
principals = st.one_of(st.none(), people)
"""In whose place a person acts, where the right is not their own."""

versions = st.builds(
    Version,
    number=st.integers(1, 9),
    record=st.sampled_from(["a", "b", "c"]),
    state=st.sampled_from([RecordState.COMPLETE] * 3 + [RecordState.OPEN]),
    exceptions=st.frozensets(st.sampled_from(FINDINGS)),
    entries=st.dictionaries(st.sampled_from(ENTRIES), people),
)
happenings = st.one_of(
    st.builds(Happening, event=st.just(Event.ASSEMBLE), version=versions),
    st.builds(
        Happening,
        event=st.just(Event.DECIDE),
        by=people,
        in_place_of=principals,
        exceptions=st.frozensets(st.sampled_from(FINDINGS), min_size=1),
        verdict=st.sampled_from(Verdict),
    ),
    st.builds(
        Happening,
        event=st.just(Event.CHECK_ENTRY),
        by=people,
        in_place_of=principals,
        entry=st.sampled_from(ENTRIES),
    ),
    *(
        st.builds(Happening, event=st.just(event), by=people, in_place_of=principals)
        for event in Event
        if event not in (Event.ASSEMBLE, Event.DECIDE, Event.CHECK_ENTRY)
    ),
)


ONWARD = {
    Stage.OPEN: Event.ASSEMBLE,
    Stage.COMPLETE: Event.OPEN_REVIEW,
    Stage.IN_REVIEW: Event.SIGN_REVIEW,
    Stage.REVIEWED: Event.RELEASE,
    Stage.RELEASED: Event.ADDEND,
    Stage.REJECTED: Event.HOLD,
    Stage.HELD: Event.LIFT,
}


def onward(lot: Disposition, person: UserId) -> Happening:
    """Return what most likely comes next, so that stories get far."""
    undone = lot.undecided
    if lot.stage is Stage.IN_REVIEW and undone:
        verdict = Verdict.ACCEPTED
        return Happening(event=Event.DECIDE, by=person, exceptions=undone, verdict=verdict)
    if lot.stage is Stage.IN_REVIEW and lot.unchecked:
        return Happening(event=Event.CHECK_ENTRY, by=person, entry=min(lot.unchecked))
    whole = Version(number=1, record="z", state=RecordState.COMPLETE)
    return Happening(event=ONWARD[lot.stage], by=person, version=whole)


@pytest.mark.clause("21 CFR 11.10(f)")
@pytest.mark.req(35)
@given(st.lists(st.tuples(st.integers(0, 3), people, principals, happenings), max_size=30))
def test_no_path_to_release_without_its_conditions(
    story: list[tuple[int, UserId, UserId | None, Happening]],
) -> None:
    """21 CFR 11.10(f), P12: whoever acts in whomever's place, in whatever order."""
    lot = Disposition()
    # What has truly happened, kept apart from what the state remembers.
    signed_by: UserId | None = None
    decided: dict[ExceptionId, Verdict] = {}
    checked: dict[FactId, UserId] = {}
    held_by: UserId | None = None
    for turn, person, principal, any_one in story:
        before = lot
        onwards = replace(onward(lot, person), in_place_of=principal)
        happening = onwards if turn else any_one
        try:
            lot = step(lot, happening)
        except ConflictError:
            continue
        match happening.event:
            case Event.DECIDE:
                decided |= dict.fromkeys(
                    happening.exceptions, happening.verdict or Verdict.REJECTED
                )
            case Event.CHECK_ENTRY if happening.entry and happening.by:
                checked[happening.entry] = happening.by
                version = before.looked_at
                assert version is not None
                typed_by = version.entries[happening.entry]
                assert typed_by not in (happening.by, happening.in_place_of)
            case Event.HOLD:
                held_by = happening.by
            case Event.LIFT:
                assert held_by not in (happening.by, happening.in_place_of)
            case Event.SIGN_REVIEW:
                signed_by = happening.by
            case Event.RELEASE:
                version = lot.version
                assert version is not None
                assert before.stage is Stage.REVIEWED
                assert version.state is RecordState.COMPLETE
                assert all(
                    decided.get(each) in (Verdict.ACCEPTED, Verdict.DEVIATION)
                    for each in version.exceptions
                )
                assert set(version.entries) <= set(checked)
                assert signed_by is not None
                assert happening.by is not None
                assert signed_by not in (happening.by, happening.in_place_of)
                note("released")
            case _:
                pass
        if Stage.RELEASED in (before.stage, before.before):
            assert lot.version == before.version, "what is released never changes"
            assert Stage.RELEASED in (lot.stage, lot.before)


def test_there_is_a_path_to_release() -> None:
    version = Version(number=1, record="a", state=RecordState.COMPLETE)
    lot = Disposition()
    for happening in (
        Happening(event=Event.ASSEMBLE, version=version),
        Happening(event=Event.OPEN_REVIEW, by=PEOPLE[0]),
        Happening(event=Event.SIGN_REVIEW, by=PEOPLE[0]),
        Happening(event=Event.RELEASE, by=PEOPLE[1]),
    ):
        lot = step(lot, happening)
    assert lot.stage is Stage.RELEASED
