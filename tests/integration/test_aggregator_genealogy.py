"""Genealogy over both stores: said, corrected, traced, and taken from batch records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aggregator.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.edge import Edge, EdgeId, EdgeKind
from aggregator.model.genealogy.item import Item, ItemKind, check_item, lot_item
from aggregator.model.genealogy.trace import Direction
from aggregator.model.master.lot import check_lot_key
from aggregator.service import assemble_record, audit_trail
from aggregator.service.context import Context
from aggregator.service.genealogy import edges
from aggregator.service.genealogy.trace_lot import Question, trace, way_to
from tests.genealogies import DAY, Made, carrier, edge, lot, unit
from tests.recorded_plant import (
    GTIN,
    OPERATOR,
    PRESS,
    QA,
    RecordedPlant,
    bundles_of,
    recorded_plant,
)
from tests.servers import Postgres, running_postgres

A, B, C, D, E = (lot(name) for name in "ABCDE")


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
        yield opened


async def said(plant: RecordedPlant, *new: Edge) -> list[Edge]:
    return await edges.add(plant.context, QA, new, why="test")


async def reached(
    context: Context, item: Item, direction: Direction, since: int = 0, until: int = FOREVER
) -> set[Item]:
    question = Question(item=item, direction=direction, since=since, until=until)
    answer = await trace(context, QA, question)
    assert answer.total == len(answer.items)
    return {each.item for each in answer.items} - {item}


async def came_of(plant: RecordedPlant, item: Item) -> set[Item]:
    return await reached(plant.context, item, Direction.FORWARD)


async def came_from(plant: RecordedPlant, item: Item) -> set[Item]:
    return await reached(plant.context, item, Direction.BACK)


@pytest.mark.req(14)
async def test_what_is_said_is_traced_both_ways(plant: RecordedPlant) -> None:
    await said(plant, edge([A, B], [C], 0))
    await said(plant, edge([C], [D, unit("S1")], DAY), edge([C], [E], 2 * DAY))
    assert await came_of(plant, A) == {C, D, E, unit("S1")}
    assert await came_from(plant, unit("S1")) == {A, B, C}
    question = Question(item=A, direction=Direction.FORWARD)
    way = await way_to(plant.context, QA, question, E)
    assert [(source, item) for source, _, item in way] == [(A, C), (C, E)]
    with pytest.raises(NotFoundError):
        await way_to(plant.context, QA, question, B)
    page = await trace(plant.context, QA, question, start=1, count=2)
    assert (page.total, page.start, len(page.items)) == (5, 1, 2)
    assert page.items[0].source_item == A


async def test_said_twice_it_is_one_edge(plant: RecordedPlant) -> None:
    (one,) = await said(plant, edge([A], [B], 0))
    (two,) = await said(plant, edge([A], [B], 0))
    assert one == two
    assert await edges.of_item(plant.context, QA, A) == [one]


@pytest.mark.parametrize("at", [0, DAY])
async def test_material_flows_in_no_circle(plant: RecordedPlant, at: int) -> None:
    await said(plant, edge([A], [B], 0), edge([B], [C], 0))
    with pytest.raises(InvalidError, match="back to itself") as raised:
        await said(plant, edge([C], [A], at))
    assert "rework" in raised.value.hint
    again = check_item("sublot", f"{A.key}#R1")
    await said(plant, edge([C], [again], at, kind=EdgeKind.REWORK))
    assert await came_of(plant, A) == {B, C, again}


async def test_a_circle_within_one_import_is_refused_and_nothing_stays(
    plant: RecordedPlant,
) -> None:
    with pytest.raises(InvalidError, match="edge 0"):
        await said(plant, edge([A], [B], 0), edge([B], [C], 0), edge([C], [A], 0))
    assert await edges.of_item(plant.context, QA, A) == []
    with pytest.raises(NotFoundError):
        await came_of(plant, A)


async def test_a_lot_number_of_years_ago_closes_no_circle(plant: RecordedPlant) -> None:
    years = 4 * 365 * DAY
    await said(plant, edge([A], [B], 0), edge([B], [C], 0))
    await said(plant, edge([C], [A], years), edge([A], [D], years + DAY))
    assert await came_from(plant, D) == {A, B, C}
    assert await came_of(plant, A) == {B, C, D}


async def test_a_carrier_is_not_within_itself_at_one_time(plant: RecordedPlant) -> None:
    box, pallet = carrier(1), carrier(2)
    held = edge([pallet], [box], 0, kind=EdgeKind.AGGREGATION, lasts=DAY)
    await said(plant, held)
    with pytest.raises(InvalidError, match="back to itself"):
        await said(plant, edge([box], [pallet], DAY // 2, kind=EdgeKind.AGGREGATION, lasts=None))
    await said(plant, edge([box], [pallet], 2 * DAY, kind=EdgeKind.AGGREGATION, lasts=DAY))


async def test_what_is_used_before_it_is_made_is_refused(plant: RecordedPlant) -> None:
    await said(plant, edge([B], [C], 0))
    with pytest.raises(InvalidError, match="before any of it was made") as raised:
        await said(plant, edge([A], [B], 100))
    assert "uncertain" in raised.value.hint
    await said(plant, edge([A], [B], 100, uncertainty=200))
    assert await came_of(plant, A) == {B, C}


async def test_a_correction_takes_the_place_of_what_was_wrong(plant: RecordedPlant) -> None:
    (wrong,) = await said(plant, edge([A], [C], 0))
    assert await came_of(plant, A) == {C}
    right = await edges.supersede(plant.context, QA, wrong.id, edge([B], [C], 0), reason="misread")
    assert await came_from(plant, C) == {B}
    assert await came_of(plant, A) == set()
    with pytest.raises(ConflictError, match=right.id):
        await edges.supersede(plant.context, QA, wrong.id, None, reason="again")
    with pytest.raises(ConflictError, match="corrected"):
        await said(plant, edge([A], [C], 0))
    await edges.supersede(plant.context, QA, right.id, None, reason="never happened")
    assert await came_from(plant, C) == set()
    with pytest.raises(NotFoundError):
        await edges.supersede(plant.context, QA, EdgeId("e-none"), None, reason="x")


@pytest.mark.req(21)
async def test_every_act_is_in_the_audit_trail(plant: RecordedPlant) -> None:
    (wrong,) = await said(plant, edge([A], [B], 0))
    await edges.supersede(plant.context, QA, wrong.id, None, reason="never happened")
    await said(plant, edge([A], [C], 0), edge([A], [D], 0))
    entries = await audit_trail.page(plant.context, QA, after=-1, count=1000)
    one, two, three = (each for each in entries if each["act"] == "write_genealogy")
    assert one["after"]["outputs"] == [[str(B), None, None]]
    assert (two["why"], two["before"]["outputs"]) == ("never happened", [[str(B), None, None]])
    assert three["what"] == "2 genealogy edges"
    assert len(three["after"]) == 2


async def test_who_may_not_write_or_read_is_refused(plant: RecordedPlant) -> None:
    with pytest.raises(DeniedError):
        await edges.add(plant.context, OPERATOR, [edge([A], [B], 0)], why="x")
    with pytest.raises(DeniedError):
        await trace(plant.context, OPERATOR, Question(item=A, direction=Direction.BACK))
    with pytest.raises(InvalidError):
        await said(plant, replace(edge([A], [B], 0), supersedes=EdgeId("e-1"), reason="x"))


async def test_a_rolled_back_edge_is_in_no_trace(plant: RecordedPlant) -> None:
    await said(plant, edge([A], [B], 0))
    assert await came_of(plant, A) == {B}
    with pytest.raises(InvalidError):
        await said(plant, edge([B], [C], 0), edge([C], [A], 0))
    await said(plant, edge([B], [D], 0))
    assert await came_of(plant, A) == {B, D}


async def test_many_writers_and_readers_see_whole_genealogies(plant: RecordedPlant) -> None:
    await said(plant, edge([A], [lot("L0")], 0))
    new = [edge([lot(f"L{at}")], [lot(f"L{at + 1}")], at + 1) for at in range(12)]
    for each in new:
        _, found = await asyncio.gather(said(plant, each), came_of(plant, A))
        assert lot("L0") in found
    made = Made([edge([A], [lot("L0")], 0), *new])
    assert await came_of(plant, A) == set(made.items) - {A}


@pytest.mark.req(14)
async def test_a_record_says_what_its_lot_rested_on(plant: RecordedPlant) -> None:
    await plant.take(bundles_of(plant))
    await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    made = lot_item(check_lot_key(GTIN, "L-1"))
    product = unit("S1")
    await said(plant, edge([made], [product], 10 * DAY))
    found = await came_from(plant, product)
    kinds = {each.kind for each in found}
    assert {ItemKind.SIGNAL, ItemKind.GATEWAY_KEY, ItemKind.SETTINGS, ItemKind.LIMIT} <= kinds
    sensor = check_item("signal", "gw-01/press-1/plate-temperature")
    kid = plant.gateway.key.public.kid.hex()
    for origin in (
        sensor,
        check_item("gateway_key", f"gw-01/{kid}"),
        check_item("equipment", PRESS),
        check_item("recipe", f"{GTIN}/1"),
        check_item("limit", f"{GTIN}/plate temperature@1"),
    ):
        assert origin in found
        assert await came_of(plant, origin) == {made, product}


async def test_a_newer_record_says_it_anew(plant: RecordedPlant) -> None:
    bundles = bundles_of(plant)
    await plant.take(bundles[:14])
    await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    sensor = check_item("signal", "gw-01/press-1/plate-temperature")
    made = lot_item(check_lot_key(GTIN, "L-1"))
    assert await came_of(plant, sensor) == {made}
    await plant.take(bundles[14:])
    await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    assert await came_of(plant, sensor) == {made}
    (use,) = [
        each for each in await edges.of_item(plant.context, QA, sensor) if each.kind is EdgeKind.USE
    ]
    assert "version 2" in use.source
