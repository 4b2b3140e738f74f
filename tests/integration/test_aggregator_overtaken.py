"""Which records something new has overtaken: what came meanwhile, what was said of the plant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from aggregator.access.roles import Role
from aggregator.service.assemble_record import assemble_record
from aggregator.service.binding.bindings import bindings
from aggregator.service.binding.coverage import coverage
from aggregator.service.binding.rebind import Why, overtaken, rebind
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.master_data import Times
from aggregator.service.review import approve_master
from aggregator.settings import MasterKind
from aggregator.store.base import Store, Transaction
from protocols.wire.dossier.instant import format_time
from protocols.wire.reading import SECOND, Kind, Reading, SignalName
from tests.personal import cheap_passwords, person, with_clock
from tests.recorded_plant import GTIN, PRESS, QA, RecordedPlant, bundles_of, recorded_plant
from tests.rigs.master_documents import put
from tests.sealed import START
from tests.servers import Postgres, running_postgres

pytestmark = pytest.mark.usefixtures("cheap_passwords")
__all__ = ["cheap_passwords"]

OTHER = f"{PRESS}-b"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def plant(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecordedPlant]:
    postgres = request.param == "postgres"
    url = request.getfixturevalue("server").database() if postgres else ""
    async with recorded_plant(tmp_path, url) as plant:
        await plant.take(bundles_of(plant))
        yield plant


@dataclass(slots=True)
class Interrupted:
    """A store in which something happens right before the next transaction that writes."""

    inner: Store
    happens: Callable[[], Awaitable[None]] | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        happens, self.happens = self.happens, None
        if happens is not None:
            await happens()
        async with self.inner.write() as tx:
            yield tx


async def come_late(plant: RecordedPlant, second: int) -> None:
    """Take in a reading of the press that was held back."""
    gateway = plant.gateway
    gateway.time = START + 300 * SECOND
    late = Reading(
        signal=SignalName("press-1/seal-pressure"),
        kind=Kind.FLOAT64,
        value=4.8,
        gateway_time=gateway.time,
        source_time=START + second * SECOND + SECOND // 2,
    )
    await plant.take([gateway.seal([late], sealed_time=gateway.time)])


async def test_what_comes_while_a_first_record_is_made_overtakes_it(plant: RecordedPlant) -> None:
    context = plant.context
    await rebind(context)

    async def meanwhile() -> None:
        await come_late(plant, 40)
        assert [lot.lot for lot in await rebind(context)] == ["L-1"]

    store = Interrupted(context.store, meanwhile)
    first = await assemble_record(replace(context, store=store), QA, GTIN, "L-1")
    assert (first.summary.version, store.happens) == (1, None)
    (waiting,) = await overtaken(context, QA)
    assert (waiting.lot.lot, waiting.why) == ("L-1", Why.READINGS)
    second = await assemble_record(context, QA, GTIN, "L-1")
    assert second.summary.readings == first.summary.readings + 1
    assert await overtaken(context, QA) == []


async def test_a_lot_without_a_record_is_overtaken_by_nothing(plant: RecordedPlant) -> None:
    await rebind(plant.context)
    await come_late(plant, 40)
    assert await overtaken(plant.context, QA) == []


async def limit(plant: RecordedPlant, high: float, **times: int) -> None:
    """Give the seal pressure another action limit."""
    context = plant.context
    key = f"{GTIN}/seal pressure"
    newest = (await approve_master.history(context, QA, EntityKind.LIMIT, key))[0]
    said = newest.document.model_dump(mode="json") | {"action_high": high}
    await put(context, EntityKind.LIMIT, said, newest.version, Times(**times))


async def lots_overtaken(plant: RecordedPlant) -> dict[str, Why]:
    return {each.lot.lot: each.why for each in await overtaken(plant.context, QA)}


async def both_assembled(plant: RecordedPlant) -> None:
    await rebind(plant.context)
    for lot in ("L-1", "L-2"):
        await assemble_record(plant.context, QA, GTIN, lot)
    assert await lots_overtaken(plant) == {}


@pytest.mark.req(16)
async def test_a_limit_overtakes_the_records_of_its_time_and_no_others(
    plant: RecordedPlant,
) -> None:
    await both_assembled(plant)
    begins = START + 70 * SECOND  # of L-2
    await limit(plant, 4.04, start=begins)
    assert await lots_overtaken(plant) == {"L-2": Why.MASTER}
    again = await assemble_record(plant.context, QA, GTIN, "L-2")
    kinds = [each["kind"] for each in again.document["exceptions"]]
    assert "excursion" in kinds, "judged by the limit that was in force when it was begun"
    (late,) = (each for each in again.document["exceptions"] if each["kind"] == "late_data")
    assert late["details"] == {"readings": 0, "master": [f"limit {GTIN}/seal pressure"]}
    assert await lots_overtaken(plant) == {}
    await limit(plant, 4.4, start=START + 10_000 * SECOND)
    assert await lots_overtaken(plant) == {}, "nothing was made by it yet"
    await limit(plant, 4.05, start=0)
    assert await lots_overtaken(plant) == {"L-1": Why.MASTER}, "the later ones hold since"


@pytest.mark.req(16)
async def test_a_limit_that_changes_nothing_of_a_record_leaves_its_version(
    plant: RecordedPlant,
) -> None:
    await both_assembled(plant)
    await limit(plant, 4.5)
    assert await lots_overtaken(plant) == {}, "the same again is no change"


async def test_a_version_that_waits_overtakes_nothing_until_it_is_approved(
    plant: RecordedPlant,
) -> None:
    await both_assembled(plant)
    masters = plant.context.settings.master.model_copy(update={"approval": (MasterKind.LIMIT,)})
    settings = plant.context.settings.model_copy(update={"master": masters})
    context, clock = with_clock(replace(plant.context, settings=settings))
    waiting = replace(plant, context=context)
    await limit(waiting, 4.04, start=0)
    assert await lots_overtaken(waiting) == {}
    li = await person(context, clock, "li.wei", "Li Wei", Role.QA)
    proposal = approve_master.Proposal(
        kind=EntityKind.LIMIT, key=f"{GTIN}/seal pressure", version=2
    )
    await approve_master.approve(
        context, await li.log_in(), proposal, password=li.password, why="agreed"
    )
    assert await lots_overtaken(waiting) == {"L-1": Why.MASTER, "L-2": Why.MASTER}


@pytest.mark.req(9)
async def test_a_calibration_that_failed_overtakes_what_it_puts_in_doubt(
    plant: RecordedPlant,
) -> None:
    await both_assembled(plant)
    signal = {"gateway": "gw-01", "signal": "press-1/seal-pressure"}
    middle = START + 70 * SECOND
    good = {**signal, "as_found": "passed", "as_left": "passed"}
    bad = {**signal, "as_found": "failed", "as_left": "passed"}
    first = {"certificate": "C-1", "performed": format_time(middle), "next_due": None}
    await put(plant.context, EntityKind.CALIBRATION, good | first)
    await both_assembled(plant)
    after = {"certificate": "C-2", "performed": format_time(START + 500 * SECOND)}
    await put(plant.context, EntityKind.CALIBRATION, bad | after | {"next_due": None})
    assert await lots_overtaken(plant) == {"L-2": Why.MASTER}, "the first was good for L-1"
    again = await assemble_record(plant.context, QA, GTIN, "L-2")
    assert "calibration" in {each["kind"] for each in again.document["exceptions"]}


async def test_a_signal_put_elsewhere_and_a_lot_that_expired_overtake_their_records(
    plant: RecordedPlant,
) -> None:
    await both_assembled(plant)
    signals = await approve_master.history(
        plant.context, QA, EntityKind.SIGNAL, "gw-01/cleanroom-1/temperature"
    )
    moved = signals[0].document.model_dump(mode="json") | {"equipment": PRESS}
    await put(plant.context, EntityKind.SIGNAL, moved, 1, Times(start=START + 60 * SECOND))
    assert await lots_overtaken(plant) == {"L-1": Why.MASTER, "L-2": Why.MASTER}
    for lot in ("L-1", "L-2"):
        await assemble_record(plant.context, QA, GTIN, lot)
    await put(
        plant.context,
        EntityKind.LOT,
        {"gtin": GTIN, "lot": "L-1", "material": "Pouch", "expires": "2031-01-01T00:00:00Z"},
        1,
    )
    assert await lots_overtaken(plant) == {"L-1": Why.MASTER}


async def test_a_limit_that_changes_while_a_first_record_is_made_overtakes_it(
    plant: RecordedPlant,
) -> None:
    context = plant.context
    await rebind(context)

    async def meanwhile() -> None:
        await limit(plant, 4.04, start=0)
        assert await rebind(context) == [], "it has no record yet"

    store = Interrupted(context.store, meanwhile)
    first = await assemble_record(replace(context, store=store), QA, GTIN, "L-1")
    assert "excursion" not in {
        each["kind"] for each in first.document["exceptions"] if each["subject"] == "seal pressure"
    }
    assert await lots_overtaken(plant) == {"L-1": Why.MASTER}
    await assemble_record(context, QA, GTIN, "L-1")
    assert await lots_overtaken(plant) == {}


async def move_lot_id(plant: RecordedPlant, **times: int) -> None:
    """Say that the signal which names lots is another unit's."""
    context, key = plant.context, "gw-01/press-1/lot-id"
    await put(context, EntityKind.EQUIPMENT, {"path": OTHER})
    said = (await approve_master.history(context, QA, EntityKind.SIGNAL, key))[0]
    moved = said.document.model_dump(mode="json") | {"equipment": OTHER}
    await put(context, EntityKind.SIGNAL, moved, said.version, Times(**times))


async def test_a_lot_is_where_the_signals_of_its_time_say_and_not_those_to_come(
    plant: RecordedPlant,
) -> None:
    before = await bindings(plant.context, QA, GTIN, "L-1")
    assert {window.equipment for window in before.windows} == {PRESS}
    await move_lot_id(plant, start=START + 65 * SECOND)  # while L-1 is made, before L-2 is
    first = await bindings(plant.context, QA, GTIN, "L-1")
    second = await bindings(plant.context, QA, GTIN, "L-2")
    assert {window.equipment for window in first.windows} == {PRESS}
    assert {window.equipment for window in second.windows} == {OTHER}
    waits = await coverage(plant.context, QA, START, START + 60 * SECOND, place=PRESS)
    assert "press-1/lot-id" in {each.signal.key.signal for each in waits}


async def test_a_late_bundle_is_held_against_the_plant_of_its_time(plant: RecordedPlant) -> None:
    await both_assembled(plant)
    await move_lot_id(plant, start=START + 600 * SECOND)
    await come_late(plant, 40)
    assert await lots_overtaken(plant) == {"L-1": Why.READINGS}


async def test_a_signal_that_names_lots_no_more_has_named_those_that_it_did(
    plant: RecordedPlant,
) -> None:
    key = "gw-01/press-1/lot-id"
    said = (await approve_master.history(plant.context, QA, EntityKind.SIGNAL, key))[0]
    silent = said.document.model_dump(mode="json") | {"role": "variable"}
    await put(
        plant.context, EntityKind.SIGNAL, silent, said.version, Times(start=START + 900 * SECOND)
    )
    record = await assemble_record(plant.context, QA, GTIN, "L-1")
    assert record.summary.state.value == "complete"
    assert record.summary.readings > 100
