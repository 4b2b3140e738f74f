"""Which records something new has overtaken: what came meanwhile, what was said of the plant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from aggregator.service.assemble_record import assemble_record
from aggregator.service.binding.rebind import Why, overtaken, rebind
from aggregator.store.base import Store, Transaction
from protocols.wire.reading import SECOND, Kind, Reading, SignalName
from tests.recorded_plant import GTIN, QA, RecordedPlant, bundles_of, recorded_plant
from tests.sealed import START
from tests.servers import Postgres, running_postgres


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
