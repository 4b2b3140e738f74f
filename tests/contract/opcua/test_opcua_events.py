"""Events as readings: alarms as text, RFID scans of OPC UA for AutoID as tag reads."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua

from plant.equipment.auto_id import NAMESPACE, AutoIdReader, Scan, Sighting
from plant.network import Proxy
from protocols.field.opcua.events.reading import OVERFLOW
from protocols.field.opcua.settings import OpcuaSignal
from protocols.wire.reading import Doubt, GapReason, Kind, Status, TagRead
from tests.contract.driver_contract import Line, line_of
from tests.contract.opcua.opcua_rig import URI, OpcuaRig

EPC = bytes.fromhex("3034257bf7194e4000001a85")
CONDITION = f"nsu={URI};i=7001"


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 -- the equipment's clock


class EventRig(OpcuaRig):
    """The rig with an alarm and an RFID reader."""

    reader: AutoIdReader
    condition: Any

    async def start(self) -> None:
        await super().start()
        index, server = 2, self.server
        kind = await server.nodes.base_event_type.add_object_type(
            ua.NodeId(7001, index), f"{index}:PressAlarmType"
        )
        for name, value in (("ActiveState", "Active"), ("AckedState", "Unacknowledged")):
            await kind.add_property(ua.NodeId(0, index), f"{index}:{name}", value)
        press = server.get_node(ua.NodeId("Press", index))
        self.condition = await server.get_event_generator(kind, press)
        self.reader = await AutoIdReader.add_to(server)
        # A client knows nothing of the structures that a server has.
        for name in ("RfidScanResult", "RfidSighting", "ScanData", "ScanDataEpc"):
            for known, found in list(ua.extension_objects_by_typeid.items()):
                if found is getattr(ua, name):
                    del ua.extension_objects_by_typeid[known]

    async def raise_condition(self, message: str, state: str) -> None:
        self.condition.event.Severity = 700
        self.condition.event.ActiveState = state
        await self.condition.trigger(message=message)


@pytest.fixture
async def rig() -> AsyncIterator[EventRig]:
    async with Proxy() as proxy:
        rig = EventRig(proxy)
        rig.changes = {
            "signals": (
                *rig.signals(),
                OpcuaSignal(
                    name="alarms",
                    address=f"nsu={URI};s=Press",
                    kind=Kind.TEXT,
                    events=("Severity", "Message", "2:ActiveState", "2:AckedState", "Nothing"),
                    event_type=CONDITION,
                ),
                OpcuaSignal(name="tags", address=f"nsu={NAMESPACE};s=Reader", kind=Kind.TAG_READ),
                OpcuaSignal(
                    name="no-type",
                    address=f"nsu={URI};s=Press",
                    kind=Kind.TEXT,
                    events=("Message",),
                    event_type="nsu=urn:nobody;i=1",
                ),
                OpcuaSignal(
                    name="no-events",
                    address=f"nsu={URI};s=Counter",
                    kind=Kind.TEXT,
                    events=("Message",),
                ),
            )
        }
        await rig.start()
        yield rig
        await rig.stop()


async def test_a_condition_is_a_reading_of_the_fields_that_were_chosen(rig: EventRig) -> None:
    async with line_of(rig) as line:
        await rig.raise_condition("plate too hot: 压板过热", "Active")
        await rig.raise_condition("plate too hot: 压板过热", "Inactive")
        await line.until(lambda: len(line.of("alarms")) == 2, "an alarm did not come")
        first, second = (json.loads(str(r.value)) for r in line.of("alarms"))
        assert (first["Severity"], first["Message"]) == (700, "plate too hot: 压板过热")
        assert (first["2:ActiveState"], second["2:ActiveState"]) == ("Active", "Inactive")
        assert first["2:AckedState"] == "Unacknowledged"
        assert first["Nothing"] is None
        assert bytes.fromhex(first["EventId"]) != bytes.fromhex(second["EventId"])
        for reading in line.of("alarms"):
            assert reading.status is Status.GOOD
            assert reading.source_time is not None
        assert line.of("no-type")[0].status is Status.BAD
        await line.catch_up()
        assert not line.errors


async def test_an_event_that_comes_again_is_one_reading(rig: EventRig) -> None:
    async with line_of(rig) as line:
        await rig.raise_condition("once", "Active")
        await line.until(lambda: line.of("alarms"), "the alarm did not come")
        await rig.condition.isession.subscription_service.trigger_event(rig.condition.event)
        await rig.raise_condition("another", "Active")
        await line.until(lambda: len(line.of("alarms")) > 1, "the next alarm did not come")
        messages = [json.loads(str(r.value))["Message"] for r in line.of("alarms")]
        assert messages == ["once", "another"]


async def test_a_cut_loses_no_event(rig: EventRig) -> None:
    async with line_of(rig) as line:
        await rig.proxy.cut()
        await line.until(lambda: line.errors, "the cut was not noticed")
        for at in range(5):
            await rig.raise_condition(f"alarm {at}", "Active")
        await rig.proxy.restore()
        await line.until(lambda: len(line.of("alarms")) == 5, "an alarm is missing")
        assert line.gaps == []


async def test_events_that_the_servers_queue_lost_are_a_gap(rig: EventRig) -> None:
    async with line_of(rig) as line:
        held = next(iter(rig.server.iserver.subscription_service.subscriptions.values()))
        item = next(
            mid
            for mid, each in held.monitored_item_srv._monitored_items.items()
            if each.client_handle == _handle(rig, "alarms")
        )
        fields = ua.EventFieldList()
        fields.ClientHandle = _handle(rig, "alarms")
        fields.EventFields = [
            ua.Variant(b"\x01"),
            ua.Variant(OVERFLOW),
            ua.Variant("Server"),
            ua.Variant(now()),
        ]
        await held.enqueue_event(item, fields, 100)
        await line.until(lambda: line.gaps, "no gap was declared")
        assert (line.gaps[0].subject, line.gaps[0].reason) == ("alarms", GapReason.OVERRUN)
        assert not line.of("alarms")


def _handle(rig: OpcuaRig, name: str) -> int:
    return [signal.name for signal in rig.settings().signals].index(name) + 1


async def until_read(line: Line, count: int) -> list[TagRead | None]:
    await line.until(lambda: len(line.of("tags")) >= count, "a tag read is missing")
    return [each.value for each in line.of("tags")]  # type: ignore[misc]


async def test_each_sighting_of_a_scan_is_a_tag_read(rig: EventRig) -> None:
    async with line_of(rig) as line:
        seen = now()
        later = seen + timedelta(milliseconds=250)
        sightings = (
            Sighting(antenna=1, strength=-48, time=seen),
            Sighting(antenna=2, strength=-61, time=later),
        )
        scan = Scan(code_type="EPC", data=EPC, time=seen, sightings=sightings)
        await rig.reader.report([scan], time=later)
        one, other = await until_read(line, 2)
        assert one == TagRead(
            epc=EPC,
            epc_bits=96,
            antenna=1,
            rssi=-4800,
            first_seen=nanoseconds(seen),
            last_seen=nanoseconds(seen),
            count=1,
        )
        assert other is not None
        assert (other.antenna, other.rssi, other.last_seen) == (2, -6100, nanoseconds(later))
        assert [r.source_time for r in line.of("tags")] == [nanoseconds(seen), nanoseconds(later)]
        assert {r.status for r in line.of("tags")} == {Status.GOOD}


@pytest.mark.parametrize(
    ("code_type", "data", "epc", "bits"),
    [
        ("RAW:BYTES", EPC[:5], EPC[:5], 40),
        ("UID", EPC, EPC, 96),
        ("RAW:STRING", EPC.hex(), EPC, 96),
    ],
)
async def test_an_identifier_is_read_by_its_code_type(
    rig: EventRig, code_type: str, data: bytes | str, epc: bytes, bits: int
) -> None:
    async with line_of(rig) as line:
        scan = Scan(code_type=code_type, data=data, time=now())
        await rig.reader.report([scan], time=now())
        (read,) = await until_read(line, 1)
        assert read is not None
        assert (read.epc, read.epc_bits, read.antenna) == (epc, bits, 0)
        assert line.of("tags")[0].status is Status.UNCERTAIN  # nothing was said of a sighting


async def test_an_identifier_that_is_none_is_bad_and_kept(rig: EventRig) -> None:
    async with line_of(rig) as line:
        scan = Scan(code_type="RAW:STRING", data="no hexadecimal", time=now())
        await rig.reader.report([scan], time=now())
        assert await until_read(line, 1) == [None]
        (reading,) = line.of("tags")
        assert (reading.status, reading.code) == (Status.BAD, Doubt.NO_VALUE)
        assert b"no hexadecimal" in reading.raw


def test_what_is_a_variables_is_not_of_events() -> None:
    for wrong, said in (
        ({"events": ["A"], "kind": "float64"}, "as text"),
        ({"events": ["A"], "kind": "text", "heartbeat_s": 1}, "variable's"),
        ({"kind": "tag_read", "part": "[1]"}, "variable's"),
        ({"kind": "text", "event_type": "i=2041"}, "needs events"),
        ({"kind": "text", "events": ["A"], "event_type": "/Types"}, "as a NodeId"),
    ):
        with pytest.raises(ValueError, match=said):
            OpcuaSignal.model_validate({"name": "a", "address": "i=1", **wrong})
    cell = {"name": "a", "address": "i=1", "kind": "text", "events": "Severity, Message"}
    assert OpcuaSignal.model_validate(cell).events == ("Severity", "Message")


def nanoseconds(time: datetime) -> int:
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return (since // timedelta(microseconds=1)) * 1000
