"""From a complete record to release by two, to hold and addendum: what each takes, and what not."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aggregator.access.roles import Role
from aggregator.errors import (
    AccessError,
    ConflictError,
    DeniedError,
    EvidenceError,
    InvalidError,
    NotFoundError,
)
from aggregator.ingest.fsck import fsck
from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.disposition import ExceptionId, Stage, Verdict
from aggregator.model.genealogy.edge import Edge, EdgeKind, Part
from aggregator.model.genealogy.item import lot_item
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import check_lot_key
from aggregator.model.signature import Component, Meaning, check_signature, encode_signature
from aggregator.service import assemble_record, audit_trail, facts
from aggregator.service.access import delegations
from aggregator.service.access.accounts import Proof
from aggregator.service.genealogy import edges
from aggregator.service.review import decide_lot, review_record, signing
from aggregator.service.review.signing import Asked, Given
from aggregator.service.review.standing import signatures_of
from aggregator.store.log import entry_at
from protocols.wire.checkpoint import NoteKey
from protocols.wire.reading import SECOND
from tests.personal import cheap_passwords, person
from tests.recorded_plant import GTIN, PRESS, QA
from tests.reviewed_plant import LOT, Floor, opened
from tests.sealed import START
from tests.servers import Postgres, running_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    async with opened(tmp_path) as found:
        yield found


@pytest.fixture(params=["sqlite", "postgres"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Floor]:
    postgres = request.param == "postgres"
    url = request.getfixturevalue("server").database() if postgres else ""
    async with opened(tmp_path, url) as found:
        yield found


@pytest.mark.req(29)
async def test_a_lot_is_reviewed_by_one_and_released_by_another(either: Floor) -> None:
    before = await either.standing()
    assert before.disposition.stage is Stage.COMPLETE
    data = before.newest.data
    await either.release()
    after = await either.standing()
    assert after.disposition.stage is Stage.RELEASED
    assert (after.disposition.reviewer, after.disposition.releaser) == ("li.wei", "chen.jie")
    assert after.decided.data == data
    said = [(each.signature.printed_name, each.signature.meaning) for each in after.signatures]
    assert said == [
        ("Li Wei 李伟", Meaning.EXCEPTION_ACCEPTED),
        ("Li Wei 李伟", Meaning.REVIEWED),
        ("Chen Jie", Meaning.RELEASED),
    ]
    async with either.context.store.read() as tx:
        for each in after.signatures:
            check_signature(each.signature, data)
            leaf = await entry_at(tx, each.position)
            assert leaf is not None
            assert leaf[1] == encode_signature(each.signature)
    trail = await audit_trail.page(either.context, QA, after=-1, count=1000)
    assert [each["act"] for each in trail if each["what"] == f"record {LOT}"] == [
        "assemble_record",
        "open_review",
        "decide",
        "sign_review",
        "release",
    ]


@pytest.mark.req(35)
async def test_the_same_person_does_not_review_and_release(floor: Floor) -> None:
    wang = await floor.wang.log_in()
    await floor.open(wang)
    await floor.accept_all(floor.wang, wang)
    await floor.sign(floor.wang, wang, Meaning.REVIEWED)
    with pytest.raises(ConflictError, match="another person"):
        await floor.sign(floor.wang, wang, Meaning.RELEASED)
    assert (await floor.standing()).disposition.stage is Stage.REVIEWED


@pytest.mark.clause("21 CFR 11.200")
async def test_a_series_of_signatures(floor: Floor) -> None:
    li = await floor.li.log_in()
    await floor.open(li)
    one, two = sorted((await floor.standing()).disposition.undecided)[:2]
    with pytest.raises(InvalidError, match="first signature of a series"):
        await floor.sign(floor.li, li, Meaning.EXCEPTION_ACCEPTED, one, code="")
    await floor.sign(floor.li, li, Meaning.EXCEPTION_ACCEPTED, one)
    standing = await floor.sign(floor.li, li, Meaning.EXCEPTION_ACCEPTED, two, code="")
    assert [each.signature.components for each in standing.signatures] == [
        (Component.PASSWORD, Component.CODE),
        (Component.PASSWORD,),
    ]
    floor.clock.skip(floor.context.settings.access.series_pause_seconds + 1)
    with pytest.raises(InvalidError, match="first signature of a series"):
        await floor.sign(floor.li, li, Meaning.EXCEPTION_REJECTED, two, code="")
    another = await floor.li.log_in()
    with pytest.raises(InvalidError, match="first signature of a series"):
        await floor.sign(floor.li, another, Meaning.EXCEPTION_REJECTED, two, code="")


async def test_a_wrong_component_signs_nothing(floor: Floor) -> None:
    li = await floor.li.log_in()
    await floor.open(li)
    await floor.sign(floor.li, li, Meaning.HELD)
    chen = await floor.chen.log_in()
    with pytest.raises(AccessError):
        await floor.sign(replace(floor.chen, password="guess"), chen, Meaning.HOLD_LIFTED)
    with pytest.raises(AccessError):
        await floor.sign(floor.li, chen, Meaning.HOLD_LIFTED)
    with pytest.raises(AccessError):
        await floor.sign(floor.chen, chen, Meaning.HOLD_LIFTED, code="000000")
    assert (await floor.standing()).disposition.stage is Stage.HELD


async def test_nothing_is_signed_but_what_was_shown(floor: Floor) -> None:
    li = await floor.li.log_in()
    await floor.open(li)
    await floor.accept_all(floor.li, li)
    asked = Asked(gtin=GTIN, lot="L-1", meaning=Meaning.REVIEWED)
    shown = await signing.show(floor.context, li, asked)
    proof = Proof(password=floor.li.password)
    given = Given(proof=proof, reason="seen", shown=shown.hash, etag=shown.etag)
    for change in ({"shown": "0" * 64}, {"etag": "0.0"}):
        with pytest.raises(ConflictError, match="changed since it was shown"):
            await signing.sign(floor.context, li, asked, replace(given, **change))  # type: ignore[arg-type]  # by field name
    await floor.say("mes")
    with pytest.raises(ConflictError, match="changed since it was shown"):
        await signing.sign(floor.context, li, asked, given)


async def test_a_record_that_evidence_has_overtaken_is_not_signed(floor: Floor) -> None:
    li = await floor.li.log_in()
    await floor.open(li)
    await floor.accept_all(floor.li, li)
    fact = Fact(
        kind=FactKind.OCCUPANCY,
        start=START + 131 * SECOND,
        end=START + 140 * SECOND,
        authority=Authority.OPERATOR,
        source="mes",
        equipment=EquipmentPath(PRESS),
        lot=LOT,
    )
    await facts.add(floor.context, replace(QA, name="mes"), fact, why="a second run")
    with pytest.raises(ConflictError, match="data or facts have come"):
        await floor.sign(floor.li, li, Meaning.REVIEWED)
    missing = await decide_lot.if_released(floor.context, QA, GTIN, "L-1")
    assert missing[-1].what == "late_data"


async def test_a_later_version_restarts_the_review_for_what_changed_alone(floor: Floor) -> None:
    li = await floor.li.log_in()
    await floor.open(li)
    await floor.accept_all(floor.li, li)
    await floor.sign(floor.li, li, Meaning.REVIEWED)
    decided = set((await floor.standing()).disposition.decisions)
    await floor.say("mes")
    after = await floor.standing()
    assert (after.disposition.stage, after.disposition.reviewer) == (Stage.IN_REVIEW, None)
    assert after.disposition.undecided
    assert not after.disposition.undecided & decided
    assert {"facts", "exceptions", "checks"} <= set(after.changed)
    assert not {"lot", "parameters", "signals", "seals"} & set(after.changed)
    assert set(after.disposition.decisions) == decided


async def test_what_is_not_accepted_stops_the_release(floor: Floor) -> None:
    li, chen = await floor.li.log_in(), await floor.chen.log_in()
    await floor.open(li)
    one, *others = sorted((await floor.standing()).disposition.undecided)
    await floor.sign(floor.li, li, Meaning.EXCEPTION_REJECTED, one)
    await floor.sign(floor.li, li, Meaning.DEVIATION_RAISED, *others, deviation="DEV-2026-7")
    await floor.sign(floor.li, li, Meaning.REVIEWED)
    with pytest.raises(ConflictError, match="not acceptable"):
        await floor.sign(floor.chen, chen, Meaning.RELEASED)
    (missing,) = await decide_lot.if_released(floor.context, chen.actor, GTIN, "L-1")
    assert (missing.what, missing.subjects) == ("refused_exception", (one,))
    after = await floor.sign(floor.chen, chen, Meaning.REJECTED)
    assert after.disposition.stage is Stage.REJECTED
    assert after.disposition.decisions == {
        ExceptionId(one): Verdict.REJECTED,
        **{ExceptionId(each): Verdict.DEVIATION for each in others},
    }


async def test_the_dry_run_tells_what_is_missing_and_keeps_nothing(floor: Floor) -> None:
    missing = await decide_lot.if_released(floor.context, QA, GTIN, "L-1")
    assert [each.what for each in missing] == ["stage", "undecided"]
    assert missing[1].subjects
    assert (await floor.standing()).revision == 0


@pytest.mark.req(36)
async def test_a_delegate_releases_in_their_own_name_and_for_a_time(floor: Floor) -> None:
    li, chen = await floor.li.log_in(), await floor.chen.log_in()
    zhao_person = await person(floor.context, floor.clock, "zhao.min", "Zhao Min", Role.AUDITOR)
    zhao = await zhao_person.log_in()
    await floor.open(li)
    await floor.accept_all(floor.li, li)
    await floor.sign(floor.li, li, Meaning.REVIEWED)
    with pytest.raises(DeniedError):
        await floor.sign(zhao_person, zhao, Meaning.RELEASED)
    now = floor.clock.now()
    with pytest.raises(ConflictError, match="their own delegate"):
        await delegations.delegate(
            floor.context, chen, "chen.jie", now, now + SECOND, why="on leave"
        )
    with pytest.raises(NotFoundError):
        await delegations.delegate(floor.context, chen, "nobody", now, now + SECOND, why="on leave")
    with pytest.raises(InvalidError):
        await delegations.delegate(floor.context, chen, "zhao.min", now, now, why="on leave")
    with pytest.raises(DeniedError):
        await delegations.delegate(floor.context, zhao, "li.wei", now, now + SECOND, why="on leave")
    given = await delegations.delegate(
        floor.context, chen, "zhao.min", now, now + 86_400 * SECOND, why="on leave"
    )
    assert await delegations.delegations(floor.context, QA) == [given]
    await delegations.end_delegation(floor.context, chen, given.id, why="back early")
    with pytest.raises(DeniedError):
        await floor.sign(zhao_person, zhao, Meaning.RELEASED)
    await delegations.delegate(
        floor.context, chen, "zhao.min", now, now + 86_400 * SECOND, why="on leave"
    )
    # A delegate is another person, not another reviewer: the reviewer is none for the releaser.
    await delegations.delegate(
        floor.context, chen, "li.wei", now, now + 86_400 * SECOND, why="on leave"
    )
    with pytest.raises(ConflictError, match="another person"):
        await floor.sign(floor.li, li, Meaning.RELEASED)
    after = await floor.sign(zhao_person, zhao, Meaning.RELEASED)
    assert after.disposition.releaser == "zhao.min"
    assert after.signatures[-1].signature.printed_name == "Zhao Min"


async def test_a_hold_stops_the_lot_until_another_person_lifts_it(floor: Floor) -> None:
    li, chen = await floor.release()
    await floor.sign(floor.chen, chen, Meaning.HELD)
    assert (await floor.standing()).disposition.stage is Stage.HELD
    with pytest.raises(ConflictError, match="another person"):
        await floor.sign(floor.chen, chen, Meaning.HOLD_LIFTED)
    after = await floor.sign(floor.li, li, Meaning.HOLD_LIFTED)
    assert after.disposition.stage is Stage.RELEASED


async def test_a_hold_stops_what_was_made_of_the_lot(floor: Floor) -> None:
    li, chen = await floor.li.log_in(), await floor.chen.log_in()
    await assemble_record.assemble_record(floor.context, QA, GTIN, "L-2")
    other = check_lot_key(GTIN, "L-2")
    edge = Edge(
        kind=EdgeKind.TRANSFORMATION,
        start=START,
        end=START + SECOND,
        inputs=(Part(item=lot_item(other)),),
        outputs=(Part(item=lot_item(LOT)),),
        source="mes",
    )
    await edges.add(floor.context, QA, [edge], why="pouches of one roll")
    await assemble_record.assemble_record(floor.context, QA, GTIN, "L-1")
    await floor.open(li)
    await floor.accept_all(floor.li, li)
    await floor.sign(floor.li, li, Meaning.REVIEWED)
    await floor.sign(floor.li, li, Meaning.HELD, lot="L-2")
    (missing,) = await decide_lot.if_released(floor.context, chen.actor, GTIN, "L-1")
    assert (missing.what, missing.subjects) == ("input_stopped", (str(other),))
    with pytest.raises(ConflictError, match="is held or rejected"):
        await floor.sign(floor.chen, chen, Meaning.RELEASED)
    await floor.sign(floor.chen, chen, Meaning.HOLD_LIFTED, lot="L-2")
    after = await floor.sign(floor.chen, chen, Meaning.RELEASED)
    assert after.disposition.stage is Stage.RELEASED


async def test_what_came_after_the_release_is_an_addendum(floor: Floor) -> None:
    _, chen = await floor.release()
    released = (await floor.standing()).decided
    with pytest.raises(ConflictError, match="nothing came after"):
        await floor.sign(floor.chen, chen, Meaning.ADDENDUM)
    await floor.say("mes")
    late = await floor.standing()
    assert (late.disposition.stage, late.decided) == (Stage.RELEASED, released)
    assert late.newest.summary.version == 2
    assert late.disposition.undecided
    with pytest.raises(ConflictError, match="waits for its decision"):
        await floor.sign(floor.chen, chen, Meaning.ADDENDUM)
    again = await floor.li.log_in()
    await floor.accept_all(floor.li, again)
    after = await floor.sign(floor.chen, chen, Meaning.ADDENDUM)
    assert after.disposition.later is None
    assert after.decided.data == released.data
    assert after.signatures[-1].signature.record.version == 2
    assert (await floor.standing()).disposition == after.disposition


@pytest.mark.req(27)
async def test_a_manual_entry_needs_a_second_person(floor: Floor) -> None:
    fact = await floor.say("wang.fang")
    li, wang = await floor.li.log_in(), await floor.wang.log_in()
    await floor.open(li)
    await floor.accept_all(floor.li, li)
    assert (await floor.standing()).disposition.unchecked == {fact.id}
    with pytest.raises(ConflictError, match="second check"):
        await floor.sign(floor.li, li, Meaning.REVIEWED)
    with pytest.raises(ConflictError, match="another person"):
        await floor.sign(floor.wang, wang, Meaning.ENTRY_CHECKED, fact.id)
    await floor.sign(floor.li, li, Meaning.ENTRY_CHECKED, fact.id)
    after = await floor.sign(floor.li, li, Meaning.REVIEWED)
    assert after.disposition.stage is Stage.REVIEWED


@pytest.mark.clause("21 CFR 11.70")
async def test_a_signature_pasted_to_another_lot_is_found(floor: Floor) -> None:
    await floor.release()
    kept = (await floor.standing()).signatures[-1]
    other = replace(kept.signature.record, lot=check_lot_key(GTIN, "L-2"))
    forged = replace(kept.signature, record=other)
    for data in (encode_signature(kept.signature), encode_signature(forged)):
        with pytest.raises(EvidenceError, match="not as it was signed"):  # noqa: PT012 # undone by it
            async with floor.context.store.write() as tx:
                await tx.execute(
                    "review.add_signature",
                    id="pasted",
                    gtin=GTIN,
                    lot="L-2",
                    signer="chen.jie",
                    series="s",
                    signed_time=1,
                    position=kept.position,
                    data=data,
                )
                await signatures_of(tx, check_lot_key(GTIN, "L-2"))


@pytest.mark.req(21)
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            "UPDATE signatures SET data = CAST(replace(CAST(data AS TEXT), 'rel', 'x') AS BLOB)",
            "not as the log",
        ),
        ("DELETE FROM decisions", ""),
        ("DELETE FROM decisions; DELETE FROM signatures WHERE signer = 'chen.jie'", "is gone"),
    ],
)
async def test_fsck_finds_a_signature_that_was_altered_or_removed(
    floor: Floor, tmp_path: Path, change: str, fault: str
) -> None:
    await floor.release()
    origin = floor.context.settings.log.origin
    log_key = NoteKey(name=origin, key=floor.context.keys.log.public)
    found = await fsck(floor.context.store, log_key)
    assert (found.signatures, found.faults) == (3, [])
    with contextlib.closing(sqlite3.connect(tmp_path / "aggregator.db")) as database:
        database.executescript(change)
    found = await fsck(floor.context.store, log_key)
    assert [each for each in found.faults if fault in each] == found.faults
    assert bool(found.faults) is bool(fault)


async def test_roles_sign_what_is_theirs(floor: Floor) -> None:
    li, chen = await floor.li.log_in(), await floor.chen.log_in()
    with pytest.raises(DeniedError):
        await floor.open(chen)
    await floor.open(li)
    waiting = sorted((await floor.standing()).disposition.undecided)
    with pytest.raises(DeniedError):
        await floor.sign(floor.chen, chen, Meaning.EXCEPTION_ACCEPTED, *waiting)
    await floor.accept_all(floor.li, li)
    for meaning in (Meaning.RELEASED, Meaning.REJECTED, Meaning.ADDENDUM):
        with pytest.raises(DeniedError):
            await floor.sign(floor.li, li, meaning)


async def test_the_lanes(floor: Floor) -> None:
    lanes = await review_record.lanes(floor.context, QA)
    assert ([each.lot.lot for each in lanes.decide], lanes.clean) == (["L-1"], ())
    li = await floor.li.log_in()
    await floor.open(li)
    await floor.accept_all(floor.li, li)
    lanes = await review_record.lanes(floor.context, QA)
    assert ([each.lot.lot for each in lanes.clean], lanes.decide) == (["L-1"], ())


@pytest.mark.parametrize(
    ("meaning", "subjects", "deviation"),
    [
        (Meaning.EXCEPTION_ACCEPTED, (), ""),
        (Meaning.RELEASED, ("x",), ""),
        (Meaning.ENTRY_CHECKED, ("f-1", "f-2"), ""),
        (Meaning.DEVIATION_RAISED, ("x",), " "),
        (Meaning.EXCEPTION_ACCEPTED, ("x",), "DEV-1"),
        (Meaning.EXCEPTION_ACCEPTED, ("x",) * 1001, ""),
    ],
)
def test_what_no_signature_could_say_is_not_asked(
    meaning: Meaning, subjects: tuple[str, ...], deviation: str
) -> None:
    with pytest.raises(InvalidError):
        Asked(gtin=GTIN, lot="L-1", meaning=meaning, subjects=subjects, deviation=deviation)
