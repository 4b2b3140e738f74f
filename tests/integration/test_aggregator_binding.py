"""What is new is bound where it belongs: late bundles, corrected facts, splits."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aggregator.errors import InvalidError, NotFoundError
from aggregator.export.words import describe
from aggregator.model.binding.fact import FOREVER, Authority, Fact, FactKind
from aggregator.model.binding.locate import survey
from aggregator.model.binding.occupancy import Window
from aggregator.model.genealogy.edge import Edge, EdgeKind, Part
from aggregator.model.genealogy.item import check_item, lot_item
from aggregator.model.master.carrier import called
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.ops.rebinder import Rebinder
from aggregator.service import assemble_record, facts
from aggregator.service.binding.bindings import bindings
from aggregator.service.binding.coverage import coverage
from aggregator.service.binding.located import known_between
from aggregator.service.binding.rebind import Why, overtaken, rebind
from aggregator.service.binding.sightings import refresh
from aggregator.service.binding.whereabouts import plant_at
from aggregator.service.genealogy import edges
from aggregator.service.master import master_data
from aggregator.service.master.documents import EntityKind
from aggregator.store.segments import ReadingIndex
from protocols.wire.dossier.series import Interval
from protocols.wire.header import Clock, ClockState
from protocols.wire.reading import SECOND
from tests.recorded_plant import (
    AREA,
    ENGINEER,
    GTIN,
    OPERATOR,
    PRESS,
    QA,
    RecordedPlant,
    bundles_of,
    recorded_plant,
    sighting,
)
from tests.sealed import START
from tests.servers import Postgres, running_postgres

ONE, TWO, CHILD = (check_lot_key(GTIN, lot) for lot in ("L-1", "L-2", "L-1A"))
OVEN = f"{AREA}/line-1/oven-1"
EPC = "30340000000000000000000a"


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


def said(lot: LotKey, start: float, end: float, **changes: Any) -> Fact:
    fact = Fact(
        kind=FactKind.OCCUPANCY,
        start=START + round(start * SECOND),
        end=START + round(end * SECOND),
        authority=Authority.OPERATOR,
        source="mes",
        equipment=EquipmentPath(OVEN),
        lot=lot,
    )
    return replace(fact, **changes)


async def put_child(plant: RecordedPlant) -> None:
    """Make a third lot known, and a place that no signal but the clean room's observes."""
    for kind, data in (
        (EntityKind.LOT, {"gtin": GTIN, "lot": "L-1A"}),
        (EntityKind.EQUIPMENT, {"path": OVEN}),
    ):
        document = master_data.parse(kind, data)
        await master_data.put(plant.context, ENGINEER, document, expected_version=None, why="test")


async def index_of(plant: RecordedPlant) -> list[tuple[Any, ...]]:
    """Return every sighting."""
    async with plant.context.store.read() as tx:
        found = [
            (said, row["signal"], row["start_time"], row["end_time"])
            for said in ("L-1", "L-2", called(EPC))
            for row in await tx.fetch("sightings.of", said=said)
        ]
    return sorted(found)


async def from_scratch(plant: RecordedPlant) -> list[tuple[Any, ...]]:
    """Return every sighting, all of them made again from the readings."""
    async with plant.context.store.write() as tx:
        for name in ("press-1/lot-id", "portal-1/tag-reads"):
            whole = {"gateway": "gw-01", "signal": name, "start": 0, "stop": 2**63 - 1}
            for row in await tx.fetch("sightings.within", **whole):
                await tx.execute(
                    "sightings.remove",
                    gateway="gw-01",
                    signal=name,
                    said=row["said"],
                    start=row["start_time"],
                )
        await tx.execute("sightings.advance", position=0)
    await refresh(plant.context)
    return await index_of(plant)


@pytest.mark.parametrize("seed", range(4))
async def test_bundle_by_bundle_in_any_order_the_index_is_the_one_made_at_once(
    plant: RecordedPlant, seed: int
) -> None:
    bundles = bundles_of(plant)
    gateway = plant.gateway
    for at in (20, 22, 24, 70, 71, 130, 133, 136):
        gateway.time = START + 200 * SECOND
        bundles.append(gateway.seal([sighting(EPC, at)], sealed_time=gateway.time))
    chance = random.Random(seed)
    bundles += chance.choices(bundles, k=len(bundles) // 2)
    chance.shuffle(bundles)
    for data in bundles:
        await plant.take([data])
        if chance.random() < 0.8:
            await refresh(plant.context)
        if chance.random() < 0.1:  # begun anew, with nothing in memory
            plant.context = replace(plant.context, index=ReadingIndex())
    await refresh(plant.context)
    step_by_step = await index_of(plant)
    assert step_by_step == await from_scratch(plant)
    assert {row[0] for row in step_by_step} == {"L-1", "L-2", called(EPC)}


async def test_what_is_said_of_a_stretch_is_what_is_said_of_it_in_the_whole(
    plant: RecordedPlant,
) -> None:
    await put_child(plant)
    await plant.take(bundles_of(plant))
    link = said(TWO, 0, 600, kind=FactKind.ASSOCIATION, equipment=None, carrier=EPC)
    await facts.add(plant.context, OPERATOR, link, why="loaded")
    await facts.add(plant.context, OPERATOR, said(CHILD, 35, 95), why="by hand")
    plant.gateway.time = START + 200 * SECOND
    reads = [sighting(EPC, at) for at in (20, 22, 24, 26, 28)]
    await plant.take([plant.gateway.seal(reads, sealed_time=plant.gateway.time)])
    await refresh(plant.context)
    chance = random.Random(1)
    stretches = [sorted(chance.sample(range(160), 2)) for _ in range(12)]
    async with plant.context.store.read() as tx:
        place = await plant_at(tx, START)
        whole = survey(await known_between(plant.context, tx, place, Interval(0, FOREVER)))
        assert {window.lot for window in whole.occupied.windows} == {ONE, TWO, CHILD}
        for low, high in stretches:
            times = Interval(START + low * SECOND, START + high * SECOND)
            part = survey(await known_between(plant.context, tx, place, times))
            assert clipped(part.occupied.windows, times) == clipped(whole.occupied.windows, times)


def clipped(windows: Iterable[Window], times: Interval) -> set[tuple[str, LotKey, int, int]]:
    """Return which lots were where within some time, as far as it reaches."""
    return {
        (each.equipment, each.lot, max(each.start.time, times.start), end)
        for each in windows
        if (end := min(each.end.time, times.end)) > max(each.start.time, times.start)
    }


async def test_a_late_bundle_overtakes_the_record_of_its_lot_and_no_other(
    plant: RecordedPlant,
) -> None:
    bundles = bundles_of(plant)
    await plant.take([*bundles[:5], *bundles[6:]])
    await rebind(plant.context)
    for lot in ("L-1", "L-2"):
        await assemble_record.assemble_record(plant.context, QA, GTIN, lot)
    assert await overtaken(plant.context, QA) == []
    await plant.take([bundles[5]])
    assert await rebind(plant.context) == [ONE]
    (waiting,) = await overtaken(plant.context, QA)
    assert (waiting.lot, waiting.why) == (ONE, Why.READINGS)
    again = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    assert again.summary.version == 2
    assert await overtaken(plant.context, QA) == []
    assert await rebind(plant.context) == []


async def test_a_late_lot_id_takes_the_readings_to_the_other_lot(plant: RecordedPlant) -> None:
    bundles = bundles_of(plant)
    first_of_two = 70 // 5  # the bundle in which the controller begins to name L-2
    await plant.take([*bundles[:first_of_two], *bundles[first_of_two + 1 :]])
    before = await bindings(plant.context, QA, GTIN, "L-2")
    await plant.take([bundles[first_of_two]])
    assert set(await rebind(plant.context)) == {ONE, TWO}
    after = await bindings(plant.context, QA, GTIN, "L-2")
    starts = [(found.windows[0].start.time - START) // SECOND for found in (before, after)]
    assert starts == [75, 70]


async def test_a_corrected_fact_overtakes_the_records_it_bound(plant: RecordedPlant) -> None:
    await put_child(plant)
    await plant.take(bundles_of(plant))
    wrong = await facts.add(plant.context, OPERATOR, said(CHILD, 140, 150), why="by hand")
    await rebind(plant.context)
    record = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1A")
    other = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    assert await overtaken(plant.context, QA) == [], "what a record was made of is no news to it"
    await facts.supersede(
        plant.context, OPERATOR, wrong.id, said(CHILD, 142, 150), reason="two seconds late"
    )
    (waiting,) = await overtaken(plant.context, QA)
    assert (waiting.lot, waiting.why) == (CHILD, Why.FACT)
    settings = plant.context.settings.records.model_copy(update={"assemble_seconds": 1e-9})
    context = replace(
        plant.context, settings=plant.context.settings.model_copy(update={"records": settings})
    )
    await Rebinder(context).catch_up()
    newest = await assemble_record.get(plant.context, QA, GTIN, "L-1A")
    assert newest.summary.version == 2
    assert newest.summary.recorded_by == "rebinder"
    assert newest.document["windows"][0]["start"]["time"] != record.document["windows"][0]["start"]
    kept = await assemble_record.get(plant.context, QA, GTIN, "L-1A", version=1)
    assert kept.data == record.data
    assert (await assemble_record.get(plant.context, QA, GTIN, "L-1")) == other
    assert await overtaken(plant.context, QA) == []


async def test_bindings_are_told_as_they_were_known_at_any_time(plant: RecordedPlant) -> None:
    bundles = bundles_of(plant)
    await put_child(plant)
    await plant.take(bundles[:25])
    wrong = await facts.add(plant.context, OPERATOR, said(CHILD, 140, 150), why="by hand")
    then = plant.context.clock.now()
    await plant.take(bundles[25:])
    await facts.supersede(
        plant.context, OPERATOR, wrong.id, said(CHILD, 145, 150), reason="five seconds late"
    )
    now = await bindings(plant.context, QA, GTIN, "L-1A")
    assert [(each.start.time - START) // SECOND for each in now.windows] == [145]
    assert sum(each.readings for each in now.signals) > 0
    past = await bindings(plant.context, QA, GTIN, "L-1A", as_of=then)
    assert [(each.start.time - START) // SECOND for each in past.windows] == [140]
    assert past.facts[0].id == wrong.id
    assert sum(each.readings for each in past.signals) == 0, "the readings came after"
    nothing = await bindings(plant.context, QA, GTIN, "L-1A", as_of=START)
    assert nothing.windows == ()
    with pytest.raises(NotFoundError, match="no lot"):
        await bindings(plant.context, QA, GTIN, "L-77")


async def test_a_lot_that_was_split_off_shows_its_parents_history(plant: RecordedPlant) -> None:
    await put_child(plant)
    await plant.take(bundles_of(plant))
    await rebind(plant.context)
    alone = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1A")
    assert alone.document["windows"] == []
    split = Edge(
        kind=EdgeKind.SPLIT,
        start=START + 40 * SECOND,
        end=START + 40 * SECOND,
        inputs=(Part(item=lot_item(ONE)),),
        outputs=(Part(item=lot_item(CHILD)),),
        source="mes",
    )
    await edges.add(plant.context, QA, [split], why="a quarter for the customer")
    (waiting,) = await overtaken(plant.context, QA)
    assert (waiting.lot, waiting.why) == (CHILD, Why.GENEALOGY)
    made = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1A")
    (window,) = made.document["windows"]
    assert window["origin"] == {"gtin": GTIN, "lot": "L-1"}
    temperature = made.document["parameters"][0]
    assert temperature["figures"]["readings"] == 30, "from second 10 to second 40"
    parent = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-1")
    assert parent.document["parameters"][0]["figures"]["readings"] == 60


async def test_a_pallet_brings_the_lot_in_the_box_on_it(plant: RecordedPlant) -> None:
    gateway, box = plant.gateway, "30340000000000000000000b"
    first = gateway.seal([sighting(EPC, at) for at in (20, 22, 24)], sealed_time=gateway.time)
    gateway.time = START + 60 * SECOND
    await plant.take([first, gateway.seal(), gateway.seal()])
    assert (await bindings(plant.context, QA, GTIN, "L-2")).windows == ()
    packed = [
        Edge(
            kind=EdgeKind.AGGREGATION,
            start=START + begin * SECOND,
            end=None,
            inputs=(Part(item=check_item("carrier", outer)),),
            outputs=(Part(item=inner),),
            source="wms",
        )
        for begin, outer, inner in (
            (5, box, lot_item(TWO)),
            (21, EPC, check_item("carrier", box)),
        )
    ]
    await edges.add(plant.context, QA, packed, why="packed")
    assert TWO in await rebind(plant.context)
    (window,) = (await bindings(plant.context, QA, GTIN, "L-2")).windows
    assert [(time - START) // SECOND for time in (window.start.time, window.end.time)] == [21, 24]
    made = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-2")
    assert made.document["facts"][0]["carrier"] == EPC


@pytest.mark.req(12)
async def test_a_time_anchor_places_the_readings_before_it(plant: RecordedPlant) -> None:
    gateway, minute = plant.gateway, 60 * SECOND
    unset, exact = (
        Clock(state=state, uncertainty=1_000, floor=START)
        for state in (ClockState.UNSET, ClockState.SYNCHRONISED)
    )
    link = said(TWO, 0, 9_000, kind=FactKind.ASSOCIATION, equipment=None, carrier=GRAI_LABEL)
    await facts.add(plant.context, OPERATOR, link, why="loaded")
    sealed = []
    for passed, wall, clock in ((1, 1, unset), (2, 2, unset), (3, 63, exact), (4, 64, exact)):
        readings = [sighting(GRAI_EPC, at) for at in (20, 22, 24)] if passed == 1 else []
        gateway.time = START + wall * minute
        sealed.append(
            gateway.seal(
                readings,
                clock=clock,
                sealed_time=gateway.time,
                sealed_monotonic=passed * minute,
            )
        )
    await plant.take(sealed[:2])
    await rebind(plant.context)
    (found,) = await clock_findings(plant)
    assert found["details"]["correction_ns"] is None
    assert [when(each) for each in await windows(plant, "L-2")] == [(20, 24)]
    await plant.take(sealed[2:])
    assert await rebind(plant.context) == [TWO], "an anchor has no readings, and tells of theirs"
    (found,) = await clock_findings(plant)
    assert (found["details"]["first"], found["details"]["anchor"]) == (0, 2)
    assert found["details"]["correction_ns"] == 60 * minute
    assert "slow" in describe(found)
    assert [when(each) for each in await windows(plant, "L-2")] == [(3_620, 3_624)]
    assert await rebind(plant.context) == [], "and nothing is left to be looked at"


@pytest.mark.req(12)
async def test_a_clock_that_was_set_back_is_told(plant: RecordedPlant) -> None:
    gateway = plant.gateway
    bundles = bundles_of(plant, seconds=60)
    gateway.time = START + 100 * SECOND
    bundles.append(gateway.seal())
    gateway.time = START + 30 * SECOND
    bundles.append(gateway.seal(sealed_time=gateway.time, sealed_monotonic=110 * SECOND))
    gateway.time = START + 200 * SECOND
    bundles.append(gateway.seal(sealed_monotonic=280 * SECOND))
    await plant.take(bundles)
    (found,) = await clock_findings(plant, "L-1")
    assert found["details"]["state"] == "set_back"
    assert found["details"]["step_ns"] == 80 * SECOND
    assert "set back" in describe(found)


async def windows(plant: RecordedPlant, lot: str) -> Sequence[Window]:
    return (await bindings(plant.context, QA, GTIN, lot)).windows


def when(window: Window) -> tuple[int, int]:
    return (window.start.time - START) // SECOND, (window.end.time - START) // SECOND


async def clock_findings(plant: RecordedPlant, lot: str = "L-2") -> list[dict[str, Any]]:
    made = await assemble_record.assemble_record(plant.context, QA, GTIN, lot)
    return [each for each in made.document["exceptions"] if each["kind"] == "clock_in_doubt"]


GRAI_EPC, GRAI_LABEL = "33164433400d1ec00000004d", "(8003)0950600013435277"
SGTIN_EPC, SGTIN = "30364433400d1ec00000004d", f"(01){GTIN}(21)77"


@pytest.mark.req(18)
async def test_a_carrier_named_by_its_label_is_the_one_whose_epc_was_read(
    plant: RecordedPlant,
) -> None:
    gateway = plant.gateway
    reads = [sighting(GRAI_EPC, at) for at in (20, 22, 24)]
    first = gateway.seal(reads, sealed_time=gateway.time)
    gateway.time = START + 60 * SECOND
    await plant.take([first, gateway.seal(), gateway.seal()])
    link = said(TWO, 0, 600, kind=FactKind.ASSOCIATION, equipment=None, carrier=GRAI_LABEL)
    await facts.add(plant.context, OPERATOR, link, why="loaded")
    assert TWO in await rebind(plant.context)
    (window,) = (await bindings(plant.context, QA, GTIN, "L-2")).windows
    assert [(time - START) // SECOND for time in (window.start.time, window.end.time)] == [20, 24]
    made = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-2")
    assert made.document["facts"][0]["carrier"] == GRAI_EPC, "the record says what was read"


@pytest.mark.req(18)
async def test_a_unit_that_is_read_brings_the_lot_that_it_is_of(plant: RecordedPlant) -> None:
    gateway = plant.gateway
    reads = [sighting(SGTIN_EPC, at) for at in (20, 22, 24)]
    first = gateway.seal(reads, sealed_time=gateway.time)
    gateway.time = START + 60 * SECOND
    await plant.take([first, gateway.seal(), gateway.seal()])
    assert (await bindings(plant.context, QA, GTIN, "L-2")).windows == ()
    await rebind(plant.context)
    for version, lot in ((None, "L-1"), (1, "L-2")):
        unit = master_data.parse(EntityKind.UNIT, {"unit_id": SGTIN, "gtin": GTIN, "lot": lot})
        await master_data.put(plant.context, ENGINEER, unit, expected_version=version, why="packed")
    assert await rebind(plant.context) == [ONE, TWO], "the lot that it was said to be of as well"
    (window,) = (await bindings(plant.context, QA, GTIN, "L-2")).windows
    assert [(time - START) // SECOND for time in (window.start.time, window.end.time)] == [20, 24]
    assert (await bindings(plant.context, QA, GTIN, "L-1")).windows == ()
    made = await assemble_record.assemble_record(plant.context, QA, GTIN, "L-2")
    assert made.document["facts"][0]["carrier"] == SGTIN_EPC


async def test_what_is_read_in_a_changeover_is_counted_as_such(plant: RecordedPlant) -> None:
    await plant.take(bundles_of(plant))
    changeover = Fact(
        kind=FactKind.CONTEXT,
        start=START + 130 * SECOND,
        end=START + 145 * SECOND,
        authority=Authority.OPERATOR,
        source="mes",
        equipment=EquipmentPath(PRESS),
        text="changeover",
    )
    await facts.add(plant.context, OPERATOR, changeover, why="next product")
    found = await coverage(
        plant.context, ENGINEER, START, START + 160 * SECOND, signal="press-1/seal-pressure"
    )
    (pressure,) = found
    assert (pressure.readings, pressure.bound) == (160, 120)
    (still,) = pressure.contexts
    assert (still.context.name, still.readings) == ("changeover", 15)
    assert [run.readings for run in pressure.unbound] == [10, 15]
    nowhere = await coverage(plant.context, ENGINEER, START, START + SECOND, place="elsewhere")
    assert nowhere == []


@pytest.mark.req(18)
@pytest.mark.parametrize(("packed_as", "stacked_as"), [(0, 1), (1, 0)])
async def test_a_box_packed_by_one_of_its_names_is_on_the_pallet_by_the_other(
    plant: RecordedPlant, packed_as: int, stacked_as: int
) -> None:
    gateway, names = plant.gateway, (GRAI_LABEL, GRAI_EPC)
    first = gateway.seal([sighting(EPC, at) for at in (20, 22, 24)], sealed_time=gateway.time)
    gateway.time = START + 60 * SECOND
    await plant.take([first, gateway.seal(), gateway.seal()])
    packed = [
        Edge(
            kind=EdgeKind.AGGREGATION,
            start=START + begin * SECOND,
            end=None,
            inputs=(Part(item=check_item("carrier", outer)),),
            outputs=(Part(item=inner),),
            source="wms",
        )
        for begin, outer, inner in (
            (5, names[packed_as], lot_item(TWO)),
            (21, EPC, check_item("carrier", names[stacked_as])),
        )
    ]
    await edges.add(plant.context, QA, packed, why="packed by one name, stacked by another")
    assert TWO in await rebind(plant.context)
    (window,) = (await bindings(plant.context, QA, GTIN, "L-2")).windows
    assert [(time - START) // SECOND for time in (window.start.time, window.end.time)] == [21, 24]
    for name in names:
        known = await edges.of_item(plant.context, QA, check_item("carrier", name))
        assert [each.id for each in known] == [each.id for each in packed]
    around = Edge(
        kind=EdgeKind.AGGREGATION,
        start=START + 30 * SECOND,
        end=None,
        inputs=(Part(item=check_item("carrier", names[packed_as])),),
        outputs=(Part(item=check_item("carrier", EPC)),),
        source="wms",
    )
    with pytest.raises(InvalidError, match="back to itself"):
        await edges.add(plant.context, QA, [around], why="the pallet into the box on it")
