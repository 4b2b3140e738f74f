"""Redundant servers of one source: the next one is observed, and that is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from asyncua import ua

from plant.network import Proxy
from protocols.field.opcua.address import ENDPOINT
from protocols.field.opcua.settings import OpcuaSettings, OpcuaSignal
from protocols.wire.reading import GapReason, Kind, Status
from tests.contract.driver_contract import line_of
from tests.contract.opcua.opcua_rig import OpcuaRig


@pytest.fixture
async def pair() -> AsyncIterator[tuple[OpcuaRig, OpcuaRig]]:
    async with Proxy() as one, Proxy() as other:
        first, second = OpcuaRig(one), OpcuaRig(other)
        await first.start()
        await second.start()
        teller = OpcuaSignal(name="server", address=ENDPOINT, kind=Kind.TEXT)
        first.changes = {
            "standby": (address(second),),
            "signals": (*first.signals(), teller),
        }
        yield first, second
        await first.stop()
        await second.stop()


def address(rig: OpcuaRig) -> str:
    return f"opc.tcp://127.0.0.1:{rig.proxy.port}"


async def test_the_next_server_takes_over_and_the_change_is_declared(
    pair: tuple[OpcuaRig, OpcuaRig],
) -> None:
    first, second = pair
    now = datetime.now(UTC)  # noqa: TID251 -- both show what one controller said
    for rig in pair:
        data = ua.DataValue(ua.Variant("LOT-1"), SourceTimestamp=now, ServerTimestamp=now)
        await rig.server.write_attribute_value(rig.nodes["Lot"].nodeid, data)
    async with line_of(first) as line:
        await line.until(lambda: line.of("lot"), "no first value")
        assert [r.value for r in line.of("server")] == [address(first)]
        await first.proxy.cut()
        await line.until(lambda: len(line.of("server")) > 1, "nobody took over")
        await second.write("Temperature", 77.0)
        await line.until(lambda: line.of("temperature")[-1].value == 77.0, "nothing came of it")
        assert line.of("server")[-1].value == address(second)
        assert line.of("server")[-1].status is Status.GOOD
        (lost,) = (g for g in line.gaps if g.reason is GapReason.SUBSCRIPTION_LOST)
        assert lost.start < lost.end
        assert len(line.of("lot")) == 1, "what both servers show came twice"
        await first.proxy.restore()
        await second.proxy.cut()  # and back again
        await line.until(lambda: len(line.of("server")) > 2, "nobody took over")
        assert line.of("server")[-1].value == address(first)
        await line.catch_up()


async def test_a_cut_that_hits_every_server_costs_nothing(
    pair: tuple[OpcuaRig, OpcuaRig],
) -> None:
    first, second = pair
    async with line_of(first) as line:
        await second.proxy.cut()
        await first.proxy.cut()
        await line.until(lambda: line.errors, "the cut was not noticed")
        await line.produce(5)
        await first.proxy.restore()
        await line.catch_up()
        counts = line.counts()
        assert counts == list(range(counts[0], counts[-1] + 1))
        assert line.gaps == []


def test_a_standby_is_written_as_an_endpoint() -> None:
    with pytest.raises(ValueError, match="write it as"):
        OpcuaSettings.model_validate(
            {"endpoint": "opc.tcp://a:4840", "standby": ["http://b"], "signals": []}
        )
