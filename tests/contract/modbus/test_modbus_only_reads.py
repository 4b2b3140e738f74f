"""No request that could change equipment leaves this gateway, whatever the equipment does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pymodbus.pdu.bit_message import WriteMultipleCoilsRequest, WriteSingleCoilRequest
from pymodbus.pdu.diag_message import ForceListenOnlyModeRequest
from pymodbus.pdu.file_message import WriteFileRecordRequest
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    ReadWriteMultipleRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from protocols.field.driver import DriverError
from protocols.field.modbus.discover import Wanted, scan
from protocols.field.modbus.line import Line
from protocols.field.modbus.preview import four_orders
from protocols.field.modbus.settings import ModbusSettings, Table
from tests.contract.modbus.modbus_peer import Device, Peer, Question
from tests.contract.modbus.reading import opened, settings_at, words

WRITES: list[Any] = [
    WriteSingleCoilRequest(address=0, bits=[True]),
    WriteMultipleCoilsRequest(address=0, bits=[True] * 3),
    WriteSingleRegisterRequest(address=0, registers=[1]),
    WriteMultipleRegistersRequest(address=0, registers=[1, 2]),
    MaskWriteRegisterRequest(address=0, and_mask=0, or_mask=1),
    ReadWriteMultipleRegistersRequest(
        read_address=0, read_count=1, write_address=0, write_registers=[1]
    ),
    WriteFileRecordRequest(),
    ForceListenOnlyModeRequest(),
]


@pytest.mark.parametrize("rtu", [False, True])
@pytest.mark.parametrize("write", WRITES, ids=lambda write: type(write).__name__)
async def test_the_client_refuses_to_send_it(write: Any, rtu: bool) -> None:
    async with Peer({1: Device(holding={0: 5})}, rtu=rtu) as peer:
        settings = settings_at(peer, words(0, 1), timeout_s=0.3)
        assert isinstance(settings, ModbusSettings)
        line = Line(settings)
        await line.open()
        try:
            client = line._client  # its lowest end: what is refused here is refused everywhere
            assert client is not None
            with pytest.raises(DriverError, match="was not sent"):
                await client.execute(False, write)
        finally:
            line.close()
        assert (peer.questions, peer.received) == ([], 0)


BEHAVIOURS = st.lists(
    st.one_of(
        st.just(None),  # the right answer
        st.integers(1, 255).map(lambda code: bytes((0x83, code))),
        st.binary(min_size=1, max_size=12),
        st.just(b""),  # none
    ),
    max_size=12,
)
SIGNALS = st.lists(
    st.fixed_dictionaries(
        {
            "table": st.sampled_from([table.value for table in Table]),
            "address": st.integers(0, 40),
            "unit_id": st.integers(1, 3),
        }
    ),
    min_size=1,
    max_size=10,
)


@given(signals=SIGNALS, behaviours=BEHAVIOURS, rtu=st.booleans())
@effort(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
def test_all_that_a_driver_sends_reads(
    signals: list[dict[str, Any]], behaviours: list[bytes | None], rtu: bool
) -> None:
    asyncio.run(_traffic(signals, behaviours, rtu=rtu))


async def _traffic(
    signals: list[dict[str, Any]], behaviours: list[bytes | None], *, rtu: bool
) -> None:
    """Poll, scan and preview; the peer asserts the length of every frame, this its function."""
    cells = dict.fromkeys(range(50), 1)
    units = {unit: Device(holding=cells, coil=cells) for unit in (1, 2)}
    for number, row in enumerate(signals):
        row["name"] = f"s{number}"
        if row["table"] in ("holding", "input") and number % 3 == 0:
            row |= {"type": "uint32", "guard": row["address"] + 5}

    def behave(question: Question, pdu: bytes) -> list[tuple[float, bytes]]:
        at = question.number - usual
        planned = behaviours[at] if at < len(behaviours) else None
        return [(0, pdu if planned is None else planned)] if planned != b"" else []

    async with Peer(units, rtu=rtu) as peer:
        async with opened(settings_at(peer, words(0, 1), timeout_s=5)) as driver:
            await driver.read()
        usual = len(peer.questions)
        peer.misbehave = behave
        quick = {"timeout_s": 0.03, "period_s": 0.01, "busy_wait_s": 0.001, "retry_s": 0.02}
        settings = settings_at(peer, signals, **quick)
        assert isinstance(settings, ModbusSettings)
        for _ in range(2):
            with contextlib.suppress(DriverError):  # nothing answers, or no connection in time
                async with opened(settings) as driver:
                    for _ in range(3):
                        await driver.read()
        wanted = Wanted(
            units=(1,), tables=tuple(Table), first=0, last=9, pause_s=0, requests_max=20
        )
        with contextlib.suppress(DriverError):
            await scan(settings, wanted)
        with contextlib.suppress(DriverError):
            await four_orders(settings)
        assert peer.questions
        assert {question.function for question in peer.questions} <= {1, 2, 3, 4}
        assert peer.received == len(peer.questions) * (8 if rtu else 12)
