"""Versions of master data over both stores: in force at a time, approved by a second person."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aggregator.access.roles import Actor, Role
from aggregator.errors import (
    AccessError,
    ConflictError,
    DeniedError,
    InvalidError,
    NotFoundError,
)
from aggregator.service import audit_trail
from aggregator.service.access import delegations
from aggregator.service.access.accounts import Session
from aggregator.service.context import Context
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.master_data import Times, Versioned
from aggregator.service.master.versions import VersionState, models_at, version_at, versions_at
from aggregator.service.review import approve_master
from aggregator.service.review.approve_master import Proposal
from aggregator.settings import MasterKind
from protocols.wire.reading import SECOND
from tests.personal import PASSWORD, MovableClock, cheap_passwords, person, with_clock
from tests.recorded_plant import ENGINEER, GTIN, QA
from tests.rigs.context import running_context
from tests.rigs.master_documents import DOCUMENTS_OF, Data, put, put_before
from tests.servers import Postgres, running_postgres

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

LIMIT, LOT, EQUIPMENT = EntityKind.LIMIT, EntityKind.LOT, EntityKind.EQUIPMENT
KEY, HEAT = DOCUMENTS_OF[LIMIT]
PLACE, PRESS = DOCUMENTS_OF[EQUIPMENT]
HEAT = HEAT | {"phase": ""}  # of no recipe: the limit alone is looked at


@dataclass(slots=True, kw_only=True)
class Room:
    """A store with all that a limit refers to, and two persons who may approve."""

    context: Context
    clock: MovableClock
    li: Session
    chen: Session

    async def propose(self, data: Data, expected: int | None = None, **times: int) -> Versioned:
        return await put(self.context, LIMIT, data, expected, Times(**times))

    async def approve(self, version: int, by: Session | None = None) -> Versioned:
        return await approve_master.approve(
            self.context, by or self.chen, limit(version), password=PASSWORD, why="as agreed"
        )

    async def in_force(self, at: int) -> int | None:
        async with self.context.store.read() as tx:
            found = await version_at(tx, LIMIT, KEY, at)
        return None if found is None else found.version


def limit(version: int) -> Proposal:
    return Proposal(kind=LIMIT, key=KEY, version=version)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def room(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Room]:
    url = ""
    if request.param == "postgres":
        url = request.getfixturevalue("server").database()
    async with running_context(tmp_path, url, approval=(MasterKind.LIMIT,)) as opened:
        context, clock = with_clock(opened)
        await put_before(context, LIMIT)
        li = await person(context, clock, "li.wei", "Li Wei", Role.QA)
        chen = await person(context, clock, "chen.jie", "Chen Jie", Role.RELEASER)
        yield Room(context=context, clock=clock, li=await li.log_in(), chen=await chen.log_in())


async def test_a_proposed_version_is_not_in_force_until_another_person_approves(
    room: Room,
) -> None:
    proposed = await room.propose(HEAT)
    assert (proposed.state, proposed.version) == (VersionState.PROPOSED, 1)
    assert await room.in_force(room.clock.now()) is None
    with pytest.raises(NotFoundError) as raised:
        await master_data.get(room.context, QA, LIMIT, KEY)
    assert "version 1 is proposed" in raised.value.hint
    (waiting,) = await approve_master.proposals(room.context, QA)
    assert waiting == proposed
    approved = await room.approve(1)
    assert (approved.state, approved.decided_by) == (VersionState.APPROVED, "chen.jie")
    assert await room.in_force(0) == 1, "the first version holds since ever"
    assert (await master_data.get(room.context, QA, LIMIT, KEY)) == approved
    assert await approve_master.proposals(room.context, QA) == []


@pytest.mark.req(25)
async def test_nobody_approves_what_they_have_proposed(room: Room) -> None:
    document = master_data.parse(LIMIT, HEAT)
    await master_data.put(
        room.context, room.li.actor, document, expected_version=None, why="tighter"
    )
    with pytest.raises(ConflictError, match=r"li\.wei has proposed version 1"):
        await room.approve(1, by=room.li)
    assert (await room.approve(1, by=room.chen)).decided_by == "chen.jie"


async def test_an_approval_takes_the_right_and_the_password(room: Room) -> None:
    await room.propose(HEAT)
    operator = await person(room.context, room.clock, "zhao", "Zhao", Role.OPERATOR)
    session = await operator.log_in()
    with pytest.raises(DeniedError, match="may not approve master"):
        await room.approve(1, by=session)
    with pytest.raises(AccessError):
        await approve_master.approve(
            room.context, room.chen, limit(1), password="guess", why="as agreed"
        )
    with pytest.raises(InvalidError, match="why"):
        await approve_master.approve(room.context, room.chen, limit(1), password=PASSWORD, why=" ")
    assert await room.in_force(room.clock.now()) is None


async def test_a_delegate_approves_in_their_own_name(room: Room) -> None:
    deputy = await person(room.context, room.clock, "zhao", "Zhao", Role.OPERATOR)
    now = room.clock.now()
    await delegations.delegate(
        room.context, room.chen, "zhao", now, now + 3600 * SECOND, why="on leave"
    )
    await room.propose(HEAT)
    approved = await room.approve(1, by=await deputy.log_in())
    assert (approved.decided_by, approved.in_place_of) == ("zhao", "chen.jie")


async def test_the_delegate_of_the_proposer_is_no_second_person(room: Room) -> None:
    deputy = await person(room.context, room.clock, "zhao", "Zhao", Role.OPERATOR)
    now = room.clock.now()
    await delegations.delegate(
        room.context, room.li, "zhao", now, now + 3600 * SECOND, why="on leave"
    )
    document = master_data.parse(LIMIT, HEAT)
    await master_data.put(room.context, room.li.actor, document, expected_version=None, why="x")
    with pytest.raises(ConflictError, match="takes another person"):
        await room.approve(1, by=await deputy.log_in())


async def test_nobody_decides_twice(room: Room) -> None:
    await room.propose(HEAT)
    await approve_master.reject(room.context, room.chen, limit(1), why="too wide")
    for again in (room.approve(1), approve_master.reject(room.context, room.li, limit(1), why="x")):
        with pytest.raises(ConflictError, match=r"was rejected by chen\.jie"):
            await again
    with pytest.raises(NotFoundError):
        await room.approve(7)


async def test_who_proposed_it_may_take_it_back_and_propose_another(room: Room) -> None:
    document = master_data.parse(LIMIT, HEAT)
    await master_data.put(room.context, room.li.actor, document, expected_version=None, why="x")
    with pytest.raises(ConflictError, match=r"version 1 of limit .* waits for approval"):
        await room.propose(HEAT | {"target": 1.0}, 1)
    taken = await approve_master.reject(room.context, room.li, limit(1), why="a slip")
    assert taken.state is VersionState.REJECTED
    again = await room.propose(HEAT | {"target": 1.0})
    assert again.version == 2, "a number is not used again"
    await room.approve(2)
    found = await approve_master.history(room.context, QA, LIMIT, KEY)
    assert [(each.version, each.state.value) for each in found] == [
        (2, "approved"),
        (1, "rejected"),
    ]


async def test_a_version_without_a_time_comes_into_force_with_its_approval(room: Room) -> None:
    await room.propose(HEAT)
    await room.approve(1)
    proposed_at = (await room.propose(HEAT | {"target": 1.0}, 1)).recorded_at
    room.clock.skip(3600)
    approved = await room.approve(2)
    assert approved.effective_from is not None
    assert approved.effective_from >= proposed_at + 3600 * SECOND
    assert await room.in_force(approved.effective_from - 1) == 1
    assert await room.in_force(approved.effective_from) == 2


async def test_versions_follow_each_other_by_when_they_come_into_force(room: Room) -> None:
    await room.propose(HEAT)
    await room.approve(1)
    await room.propose(HEAT | {"target": 2.0}, 1, start=2_000)
    await room.approve(2)
    await room.propose(HEAT | {"target": 1.0}, 2, start=1_000)
    await room.approve(3)
    await room.propose(HEAT | {"target": 4.0}, 3, start=3_000, end=4_000)
    await room.approve(4)
    expected = {0: 1, 999: 1, 1_000: 3, 1_999: 3, 2_000: 2, 3_000: 4, 3_999: 4, 4_000: None}
    assert {at: await room.in_force(at) for at in expected} == expected
    async with room.context.store.read() as tx:
        (model,) = await models_at(tx, LIMIT, 1_500)
        listed = [each async for each in versions_at(tx, LIMIT, 1_500, prefix=f"{GTIN}/")]
        others = [each async for each in versions_at(tx, LIMIT, 1_500, prefix="1")]
        assert [each async for each in versions_at(tx, LIMIT, 4_000)] == []
    assert model == listed[0].document.model()
    assert [(each.name, each.version) for each in listed] == [(f"limit {KEY}", 3)]
    assert others == []


async def test_what_would_have_ended_does_not_come_into_force(room: Room) -> None:
    await room.propose(HEAT)
    await room.approve(1)
    await room.propose(HEAT | {"target": 1.0}, 1, end=room.clock.now() + 60 * SECOND)
    room.clock.skip(61)
    with pytest.raises(ConflictError, match="would end before it came into force"):
        await room.approve(2)


async def test_a_kind_that_needs_no_approval_holds_from_now_on(room: Room) -> None:
    before = room.clock.now()
    second = await put(room.context, EQUIPMENT, PRESS | {"name": "Press"}, 1)
    assert second.state is VersionState.APPROVED
    assert second.effective_from is not None
    assert second.effective_from >= before
    async with room.context.store.read() as tx:
        old = await version_at(tx, EQUIPMENT, PLACE, before)
        new = await version_at(tx, EQUIPMENT, PLACE, second.effective_from)
    assert (old and old.version, new and new.version) == (1, 2)


async def test_a_correction_of_one_thing_holds_for_all_time(room: Room) -> None:
    _, data = DOCUMENTS_OF[LOT]
    await put(room.context, LOT, data)
    await put(room.context, LOT, data | {"quantity": "12"}, 1)
    async with room.context.store.read() as tx:
        found = await version_at(tx, LOT, f"{GTIN}/L-1", 0)
    assert found is not None
    assert found.version == 2
    with pytest.raises(InvalidError, match="has its times in its document"):
        await put(room.context, LOT, data | {"quantity": "13"}, 2, Times(start=5))


@pytest.mark.parametrize("times", [Times(start=5, end=5), Times(end=0), Times(end=2**63)])
async def test_times_that_hold_never_are_refused(room: Room, times: Times) -> None:
    with pytest.raises(InvalidError, match="ends after it comes into force"):
        await put(room.context, EQUIPMENT, PRESS | {"name": "x"}, 1, times)


async def test_the_same_again_is_no_change_whatever_its_state(room: Room) -> None:
    first = await room.propose(HEAT)
    assert await room.propose(HEAT) == first
    approved = await room.approve(1)
    assert await room.propose(HEAT) == approved
    retired = await room.propose(HEAT, 1, end=2**62)
    assert retired.version == 2, "another end is a change"


async def test_every_step_stands_in_the_trail(room: Room) -> None:
    before = await audit_trail.page(room.context, QA, after=-1, count=1000)
    await room.propose(HEAT)
    await room.approve(1)
    await room.propose(HEAT | {"target": 1.0}, 1, start=1_000)
    await approve_master.reject(room.context, room.li, limit(2), why="too wide")
    found = await audit_trail.page(room.context, QA, after=len(before) - 1, count=1000)
    told = [(each["who"], each["act"]) for each in found if each["what"] == f"limit {KEY}"]
    assert told == [
        (ENGINEER.name, "propose_master"),
        ("chen.jie", "approve_master"),
        (ENGINEER.name, "propose_master"),
        ("li.wei", "reject_master"),
    ]
    assert found[-2]["after"]["effective_from"] == "1970-01-01T00:00:00.000001000Z"
    assert found[-1]["after"]["proposed_by"] == ENGINEER.name


async def test_who_may_not_read_master_data_sees_no_proposal(room: Room) -> None:
    admin = Actor(name="root", roles=frozenset({Role.ADMIN}))
    for denied in (
        approve_master.proposals(room.context, admin),
        approve_master.history(room.context, admin, LIMIT, KEY),
    ):
        with pytest.raises(DeniedError):
            await denied
