"""A recall over both stores, from its trigger to the last item, and a drill."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aggregator import metrics
from aggregator.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.balance import BalanceState
from aggregator.model.genealogy.edge import EdgeKind
from aggregator.model.genealogy.item import Item, check_item
from aggregator.model.genealogy.recall import (
    CaseEvent,
    CaseId,
    CaseKind,
    CaseState,
    Fate,
    Trigger,
    drawn,
)
from aggregator.service import audit_trail
from aggregator.service.genealogy import edges, recall
from tests.genealogies import DAY, T0, carrier, edge, lot, unit, weighed
from tests.recorded_plant import OPERATOR, QA, RecordedPlant, recorded_plant
from tests.servers import Postgres, running_postgres

RAW, MADE, REST = lot("RAW"), lot("MADE"), lot("REST")
BOX = carrier(7)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def plant(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecordedPlant]:
    url = ""
    if request.param == "postgres":
        url = request.getfixturevalue("server").database()
    async with recorded_plant(tmp_path, url) as opened:
        new = [
            weighed([(RAW, "10")], [(MADE, "10")]),
            weighed([(MADE, "4")], [(REST, "4")], DAY, kind=EdgeKind.SPLIT),
            edge([MADE], [unit("S1"), unit("S2")], 2 * DAY, kind=EdgeKind.SPLIT),
            edge([BOX], [unit("S1")], 3 * DAY, kind=EdgeKind.AGGREGATION, lasts=None),
        ]
        await edges.add(opened.context, QA, new, why="test")
        yield opened


def doubt(item: Item, since: int = 0) -> Trigger:
    return Trigger(item=item, since=since, until=FOREVER, reason="complaint 17")


async def opened_case(plant: RecordedPlant, item: Item = RAW, since: int = 0) -> CaseId:
    return (await recall.open_case(plant.context, QA, doubt(item, since))).id


async def found_items(plant: RecordedPlant, case: CaseId) -> set[Item]:
    return {each.item for each in await recall.located(plant.context, QA, case)}


@pytest.mark.req(15)
async def test_a_recall_goes_from_its_trigger_to_its_end(plant: RecordedPlant) -> None:
    case = await opened_case(plant)
    found = await recall.locate(plant.context, QA, case, why="first scope")
    assert (found.state, found.located, found.accounted) == (CaseState.LOCATED, 6, 0)
    everything = {RAW, MADE, REST, unit("S1"), unit("S2"), BOX}
    assert await found_items(plant, case) == everything
    by_item = {each.item: each for each in await recall.located(plant.context, QA, case)}
    assert by_item[unit("S1")].source == MADE
    assert by_item[unit("S1")].edge is not None
    assert by_item[RAW].edge is None
    assert by_item[BOX].source == unit("S1")

    act = plant.context, QA, case
    await recall.go_on(*act, CaseEvent.ASSIGN, why="shift", details={"to": "qa.wang"})
    await recall.go_on(*act, CaseEvent.PUBLISH, why="told", details={"to": ["NMPA"]})
    with pytest.raises(ConflictError, match="6 located items"):
        await recall.go_on(*act, CaseEvent.CLOSE, why="done", details={})
    await recall.account(*act, sorted(everything - {BOX}), Fate.DESTROYED, why="burnt")
    await recall.account(*act, [BOX], Fate.CLEARED, why="empty")
    closed = await recall.go_on(*act, CaseEvent.CLOSE, why="done", details={})
    assert (closed.state, closed.accounted) == (CaseState.CLOSED, 6)

    _, timeline = await recall.get(*act)
    assert [each.event for each in timeline] == [
        "open", "locate", "assign", "publish", "account", "account", "close"
    ]  # fmt: skip
    assert timeline[3].details == {"to": ["NMPA"]}
    entries = await audit_trail.page(plant.context, QA, after=-1, count=1000)
    told = [each for each in entries if each["act"] == "manage_recall"]
    assert [each["after"]["event"] for each in told] == [each.event for each in timeline]
    assert all(each["what"] == f"recall {case}" for each in told)


async def test_each_located_lot_has_its_balance(plant: RecordedPlant) -> None:
    case = await opened_case(plant, MADE)
    await recall.locate(plant.context, QA, case, why="x")
    by_item = {each.item: each for each in await recall.located(plant.context, QA, case)}
    assert by_item[REST].balance.difference == 4
    assert by_item[MADE].balance.state is BalanceState.UNKNOWN, "of the units nobody weighed any"


async def test_located_again_what_came_since_is_added(plant: RecordedPlant) -> None:
    case = await opened_case(plant, REST)
    await recall.locate(plant.context, QA, case, why="x")
    await recall.account(plant.context, QA, case, [REST], Fate.QUARANTINED, why="fetched")
    await recall.go_on(plant.context, QA, case, CaseEvent.PUBLISH, why="x", details={})
    later = unit("S9")
    await edges.add(plant.context, QA, [edge([REST], [later], 5 * DAY)], why="late")
    found = await recall.locate(plant.context, QA, case, why="late paper")
    assert (found.state, found.located, found.accounted) == (CaseState.LOCATED, 2, 1)
    assert await found_items(plant, case) == {REST, later}


async def test_what_was_split_off_before_the_doubt_is_not_concerned(plant: RecordedPlant) -> None:
    case = await opened_case(plant, MADE, since=T0 + 2 * DAY)
    await recall.locate(plant.context, QA, case, why="x")
    assert REST not in await found_items(plant, case)
    assert unit("S1") in await found_items(plant, case)


async def test_what_a_case_does_not_know_is_refused(plant: RecordedPlant) -> None:
    case = await opened_case(plant, REST)
    await recall.locate(plant.context, QA, case, why="x")
    with pytest.raises(NotFoundError, match="no recall"):
        await recall.account(plant.context, QA, CaseId("r-0"), [RAW], Fate.LOST, why="x")
    with pytest.raises(NotFoundError, match="does not know"):
        await opened_case(plant, check_item("signal", "gw-01/none"))
    with pytest.raises(NotFoundError, match="did not locate"):
        await recall.account(plant.context, QA, case, [RAW], Fate.LOST, why="x")


async def test_a_sensor_in_doubt_locates_lots_and_is_none_of_them(plant: RecordedPlant) -> None:
    sensor = check_item("signal", "gw-01/press-1/plate-temperature")
    used = edge([sensor], [MADE], 0, kind=EdgeKind.USE, lasts=DAY)
    async with plant.context.store.write() as tx:
        await edges.add_derived(plant.context, tx, QA, used)
    case = await opened_case(plant, sensor, since=T0)
    await recall.locate(plant.context, QA, case, why="as-found out of tolerance")
    assert await found_items(plant, case) == {MADE, REST, unit("S1"), unit("S2"), BOX}


@pytest.mark.req(48)
async def test_a_drill_is_timed_and_can_be_drawn_again(plant: RecordedPlant) -> None:
    before = metrics.DRILL_SECONDS._sum.get()
    one = await recall.drill(plant.context, QA, seed="2026-11")
    two = await recall.drill(plant.context, QA, seed="2026-11")
    assert (one.case.kind, one.case.state) == (CaseKind.DRILL, CaseState.CLOSED)
    assert one.lots == 3
    assert one.case.trigger.item == two.case.trigger.item
    assert one.case.trigger.item == (RAW, MADE, REST)[drawn("2026-11", 3)]
    assert one.case.located >= 1
    spent = metrics.DRILL_SECONDS._sum.get() - before
    assert spent == pytest.approx(one.seconds + two.seconds)
    assert {each.id for each in await recall.page(plant.context, QA)} == {one.case.id, two.case.id}


async def test_who_may_not_recall_is_refused(plant: RecordedPlant) -> None:
    with pytest.raises(DeniedError):
        await recall.open_case(plant.context, OPERATOR, doubt(RAW))
    with pytest.raises(DeniedError):
        await recall.drill(plant.context, OPERATOR)
    backward = Trigger(item=RAW, since=2, until=1, reason="x")
    with pytest.raises(InvalidError):
        await recall.open_case(plant.context, QA, backward)
    case = await opened_case(plant)
    with pytest.raises(InvalidError):
        await recall.go_on(plant.context, QA, case, CaseEvent.LOCATE, why="x", details={})
