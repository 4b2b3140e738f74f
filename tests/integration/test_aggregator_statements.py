"""What master data say of some things: read by what it is about, and not in full."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aggregator.model.series import SignalKey
from aggregator.service.context import Context
from aggregator.service.master.documents import EntityKind
from aggregator.service.master.versions import statements_about
from protocols.wire.header import GatewayId
from protocols.wire.reading import SignalName
from tests.rigs.context import running_context
from tests.rigs.master_documents import DOCUMENTS_OF, SENSOR, put, put_before
from tests.servers import Postgres, running_postgres

SIGNAL = SignalKey(GatewayId("gw-1"), SignalName("a"))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def context(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Context]:
    postgres = request.param == "postgres"
    url = request.getfixturevalue("server").database() if postgres else ""
    async with running_context(tmp_path, url) as found:
        await put_before(found)
        yield found


async def keys(context: Context, kind: EntityKind, *subjects: SignalKey | str) -> list[str]:
    async with context.store.read() as tx:
        return [each.key for each in await statements_about(tx, kind, subjects)]


async def test_they_are_those_of_the_subject_and_no_others(context: Context) -> None:
    said = DOCUMENTS_OF[EntityKind.CALIBRATION][1]
    other = said | {"certificate": "C-2", "physical_asset": "TT-0018"}
    await put(context, EntityKind.PHYSICAL_ASSET, {"physical_asset": "TT-0018"})
    await put(context, EntityKind.CALIBRATION, other)
    loop = {key: text for key, text in said.items() if key != "physical_asset"}
    by_loop = loop | {"certificate": "C-3", "gateway": "gw-1", "signal": "a"}
    await put(context, EntityKind.CALIBRATION, by_loop)
    kind = EntityKind.CALIBRATION
    assert await keys(context, kind, SENSOR) == ["C-1"]
    assert await keys(context, kind, "TT-0018") == ["C-2"]
    assert await keys(context, kind, SIGNAL) == ["C-3"]
    assert await keys(context, kind, SENSOR, SIGNAL, "nobody") == ["C-1", "C-3"]
    assert await keys(context, kind) == []
    assert len(await keys(context, EntityKind.INSTALLATION, SIGNAL)) == 1
    assert await keys(context, EntityKind.QUALIFICATION, "li.wei") == ["T-1"]
    assert await keys(context, EntityKind.QUALIFICATION, "wang.fang") == []


async def test_a_correction_takes_a_statement_to_another_subject(context: Context) -> None:
    await put(context, EntityKind.PHYSICAL_ASSET, {"physical_asset": "TT-0018"})
    said = DOCUMENTS_OF[EntityKind.CALIBRATION][1] | {"physical_asset": "TT-0018"}
    await put(context, EntityKind.CALIBRATION, said, 1)
    assert await keys(context, EntityKind.CALIBRATION, SENSOR) == []
    assert await keys(context, EntityKind.CALIBRATION, "TT-0018") == ["C-1"]
