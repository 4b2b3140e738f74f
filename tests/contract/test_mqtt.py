"""The MQTT driver behind a real mosquitto: the contract, and its own cases."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plant.network import Proxy
from protocols.field.driver import DriverError, SettingsError
from protocols.field.mqtt import SPEC
from protocols.field.mqtt.messages import MessageCode
from protocols.field.mqtt.path import Absent, find, parse_path
from protocols.field.mqtt.sparkplug import (
    SparkplugError,
    decode_payload,
    encode_rebirth,
    typed,
)
from protocols.wire.reading import Doubt, Gap, GapReason, Reading, Status
from tests.contract.driver_contract import (
    PATIENCE,
    HostClock,
    ReadsContract,
    RecoversContract,
    behind_proxy,
)
from tests.contract.mqtt_rig import (
    BOOLEAN,
    DATASET,
    DOUBLE,
    INT32,
    STRING,
    UINT64,
    JsonRig,
    OpenBroker,
    Publisher,
    SparkplugNode,
    field,
    metric,
    now_ms,
    varint,
)


@pytest.fixture(params=["5", "3.1.1"])
async def rig(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[JsonRig]:
    async with behind_proxy(lambda proxy: JsonRig(tmp_path, proxy, version=request.param)) as found:
        yield found


class TestReads(ReadsContract):
    pass


class TestRecovers(RecoversContract):
    pass


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[OpenBroker]:
    async with OpenBroker(tmp_path) as found:
        yield found


class Taken:
    """What a driver brought, read by a task of its own."""

    def __init__(self, driver: Any) -> None:
        self.readings: list[Reading] = []
        self.gaps: list[Gap] = []
        self.driver = driver
        self.acknowledges = True

    async def run(self) -> None:
        while True:
            delivery = await self.driver.read()
            self.readings += delivery.readings
            self.gaps += delivery.gaps
            if delivery.ack is not None and self.acknowledges:
                await delivery.ack()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 -- what arrives has no event
                await asyncio.sleep(0.01)

    def last(self, name: str) -> Reading:
        return next(each for each in reversed(self.readings) if each.signal == name)

    def said(self, name: str) -> list[Any]:
        return [each.value for each in self.readings if each.signal == name]


@contextlib.asynccontextmanager
async def taking(port: int, *signals: dict[str, Any], **more: Any) -> AsyncIterator[Taken]:
    given = {"host": "127.0.0.1", "port": port, "signals": signals, "timeout_s": 2} | more
    driver = SPEC.connect("floor", SPEC.settings.model_validate(given), HostClock())
    await driver.open()
    taken = Taken(driver)
    task = asyncio.create_task(taken.run())
    try:
        yield taken
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await driver.close()


async def test_a_plain_payload_is_text_or_octets(broker: OpenBroker) -> None:
    text = {"name": "text", "topic": "a", "format": "plain", "kind": "text"}
    octets = {"name": "octets", "topic": "a", "format": "plain", "kind": "bytes"}
    async with Publisher(broker.port) as publisher, taking(broker.port, text, octets) as taken:
        await publisher.publish("a", "批".encode())
        await publisher.publish("a", b"\xff")
        await taken.until(lambda: len(taken.readings) == 4)
    assert taken.said("octets") == ["批".encode(), b"\xff"]
    assert taken.said("text") == ["批", None]
    assert (taken.last("text").code, taken.last("text").raw) == (MessageCode.NOT_READ, b"\xff")


async def test_what_the_broker_retained_without_a_time_is_doubted(broker: OpenBroker) -> None:
    undated = {"name": "undated", "topic": "a", "path": "v"}
    dated = {"name": "dated", "topic": "a", "path": "v", "time_path": "at", "time_unit": "ms"}
    async with Publisher(broker.port) as publisher:
        document = f'{{"v": 7, "at": {now_ms()}}}'.encode()
        await publisher.publish("a", document, retain=True)
        async with taking(broker.port, undated, dated) as taken:
            await taken.until(lambda: len(taken.readings) == 2)
            assert taken.last("undated").status is Status.UNCERTAIN
            assert taken.last("undated").code == MessageCode.RETAINED
            assert taken.last("dated").status is Status.GOOD
            await publisher.publish("a", document)
            await taken.until(lambda: len(taken.readings) == 4)
            assert taken.last("undated").status is Status.GOOD


async def test_what_was_not_acknowledged_comes_again_to_who_comes_next(broker: OpenBroker) -> None:
    signal = {"name": "v", "topic": "a", "kind": "int"}
    async with Publisher(broker.port) as publisher:
        async with taking(broker.port, signal) as taken:
            taken.acknowledges = False
            await publisher.publish("a", b"1")
            await taken.until(lambda: taken.said("v") == [1])
        async with taking(broker.port, signal) as taken:  # another process: nothing was kept
            await publisher.publish("a", b"2")
            await taken.until(lambda: taken.said("v") == [1, 2])


async def test_what_comes_again_after_a_cut_is_not_read_twice(broker: OpenBroker) -> None:
    signal = {"name": "v", "topic": "a", "kind": "int"}
    async with Proxy(("127.0.0.1", broker.port)) as proxy, Publisher(broker.port) as publisher:
        async with taking(proxy.port, signal, keepalive_s=2) as taken:
            await publisher.publish("a", b"7")
            await taken.until(lambda: taken.said("v") == [7])
            taken.acknowledges = False  # the readings are kept, the acknowledgement is lost
            await publisher.publish("a", b"8")
            await taken.until(lambda: taken.said("v") == [7, 8])
            await proxy.cut()
            await publisher.publish("a", b"8")  # the same again, and another message
            await taken.until(lambda: taken.driver._line._lost)
            await taken.driver.close()
            await proxy.restore()
            await taken.driver.open()
            taken.acknowledges = True
            task = asyncio.create_task(taken.run())
            await publisher.publish("a", b"9")
            await taken.until(lambda: 9 in taken.said("v"))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert taken.said("v") == [7, 8, 8, 9]
        assert taken.gaps == [], "the broker kept all of it"


async def test_what_no_broker_keeps_is_declared_after_a_cut(broker: OpenBroker) -> None:
    signal = {"name": "v", "topic": "a", "kind": "int"}
    async with (
        Proxy(("127.0.0.1", broker.port)) as proxy,
        Publisher(broker.port) as publisher,
        taking(proxy.port, signal) as taken,
    ):
        await publisher.publish("a", b"1", qos=0)
        await taken.until(lambda: taken.said("v") == [1])
        await proxy.cut()
        await taken.until(lambda: taken.driver._line._lost)
        await proxy.restore()
        await taken.driver.open()
        gap = (await taken.driver.read()).gaps[0]
        assert (gap.reason, gap.subject) == (GapReason.SOURCE_DOWN, "floor")


async def test_messages_that_say_nothing_of_our_signals_do_not_fill_the_line(
    broker: OpenBroker,
) -> None:
    signal = {"name": "v", "topic": "a", "path": "v", "kind": "int", "optional": True}
    async with (
        Publisher(broker.port) as publisher,
        taking(broker.port, signal, inflight_max=3) as taken,
    ):
        for _ in range(20):
            await publisher.publish("a", b'{"other": 1}')
        await publisher.publish("a", b'{"v": 1}')
        await taken.until(lambda: taken.said("v") == [1])


async def test_a_payload_beyond_the_bound_is_bad_and_kept_in_part(broker: OpenBroker) -> None:
    signal = {"name": "v", "topic": "a", "kind": "text"}
    async with (
        Publisher(broker.port) as publisher,
        taking(broker.port, signal, payload_bytes_max=100) as taken,
    ):
        await publisher.publish("a", b'"' + b"x" * 200 + b'"')
        await taken.until(lambda: taken.readings)
    assert (taken.readings[0].status, taken.readings[0].code) == (Status.BAD, MessageCode.TOO_LONG)
    assert len(taken.readings[0].raw) == 202


async def test_a_flood_is_dropped_by_count_and_declared(broker: OpenBroker) -> None:
    signal = {"name": "v", "topic": "a", "kind": "int"}
    settings = {"host": "127.0.0.1", "port": broker.port, "signals": [signal], "queue_max": 10}
    driver = SPEC.connect("floor", SPEC.settings.model_validate(settings), HostClock())
    await driver.open()
    try:
        async with Publisher(broker.port) as publisher:
            for number in range(50):
                await publisher.publish("a", str(number).encode(), qos=0)
            await publisher.publish("a", b"99", qos=1)  # behind all of them
            taken = Taken(driver)
            while 99 not in taken.said("v"):
                delivery = await asyncio.wait_for(driver.read(), PATIENCE)
                taken.readings += delivery.readings
                taken.gaps += delivery.gaps
    finally:
        await driver.close()
    lost = sum(gap.count or 0 for gap in taken.gaps)
    assert {gap.reason for gap in taken.gaps} == {GapReason.OVERRUN}
    assert lost + len(taken.readings) == 51
    assert lost > 0


async def test_a_broker_that_is_not_there_or_refuses_gives_a_hint(tmp_path: Path) -> None:
    signal = {"name": "v", "topic": "a"}
    with pytest.raises(DriverError) as error:
        async with taking(1, signal, timeout_s=1):
            pass
    assert "check that it runs" in error.value.hint
    authority = tmp_path / "ca.pem"
    authority.write_text("none")
    with pytest.raises(SettingsError, match="certificates"):
        async with taking(1, signal, tls_ca_file=str(authority)):
            pass


_LAST_YEAR = 1_700_000_000_000
NODE = {"format": "sparkplug", "topic": "plant/edge-1"}
PRESS = {"format": "sparkplug", "topic": "plant/edge-1/press"}
SIGNALS = (
    {"name": "load", "path": "Load", **NODE},
    {"name": "temp", "path": "Zone/Temp", "unit": "Cel", **PRESS},
    {"name": "steps", "path": "Steps", "kind": "int", **PRESS},
    {"name": "lot", "path": "Lot", "kind": "text", **PRESS},
)


async def born(node: SparkplugNode, taken: Taken, ms: int) -> None:
    await node.say("NBIRTH", metric("Load", DOUBLE, 0.5, alias=1, ms=ms))
    await node.say(
        "DBIRTH",
        metric("Zone/Temp", DOUBLE, 20.0, alias=2, ms=ms),
        metric("Steps", INT32, -3, alias=3, ms=ms),
        metric("Lot", STRING, "L-1", alias=4, ms=ms),
        device="press",
    )
    await taken.until(lambda: taken.said("lot"))


async def test_a_sparkplug_node_is_asked_for_its_birth_and_followed(broker: OpenBroker) -> None:
    async with (
        Publisher(broker.port, hears="spBv1.0/plant/NCMD/#") as publisher,
        taking(broker.port, *SIGNALS) as taken,
    ):
        await taken.until(lambda: publisher.heard)
        topic, command = publisher.heard[0]
        (rebirth,) = decode_payload(command).metrics
        assert (topic, rebirth.name, rebirth.value) == (
            "spBv1.0/plant/NCMD/edge-1",
            "Node Control/Rebirth",
            True,
        )
        node, ms = SparkplugNode(publisher), now_ms()
        await born(node, taken, ms)
        await node.say("DDATA", metric(value=21.5, alias=2, ms=ms + 1), device="press")
        await node.say("NDATA", metric(value=0.75, alias=1, ms=ms + 2))
        await taken.until(lambda: taken.said("load") == [0.5, 0.75])
        assert taken.said("temp") == [20.0, 21.5]
        assert taken.said("steps") == [-3]
        assert taken.last("temp").source_time == (ms + 1) * 1_000_000
        assert {each.status for each in taken.readings} == {Status.GOOD}
        assert taken.gaps == []
        await born(node, taken, ms)  # again, with the times of old: Load had moved since
        await node.say("DDATA", metric(value=22.0, alias=2, ms=ms + 3), device="press")
        await taken.until(lambda: 22.0 in taken.said("temp"))
        assert taken.said("lot") == ["L-1"], "a birth repeats what is known"
        assert taken.gaps == []


async def test_a_missing_sparkplug_message_is_declared_and_a_birth_asked_for(
    broker: OpenBroker,
) -> None:
    async with (
        Publisher(broker.port, hears="spBv1.0/plant/NCMD/#") as publisher,
        taking(broker.port, *SIGNALS) as taken,
    ):
        node, ms = SparkplugNode(publisher), now_ms()
        await born(node, taken, ms)
        for number in range(300):  # over 255 and on
            await node.say("DDATA", metric(value=float(number), alias=2, ms=ms), device="press")
        await taken.until(lambda: 299.0 in taken.said("temp"))
        assert (taken.gaps, len(publisher.heard)) == ([], 1)
        node.seq = (node.seq + 1) % 256
        await node.say("DDATA", metric(value=7.0, alias=2, ms=ms), device="press")
        await taken.until(lambda: taken.gaps)
        assert taken.gaps[0].reason is GapReason.SUBSCRIPTION_LOST
        await taken.until(lambda: len(publisher.heard) == 2)
        await node.say("DDATA", metric(value=1.0, alias=99, ms=ms), device="press")
        await taken.until(lambda: len(taken.gaps) == 2)
        assert (taken.gaps[1].reason, taken.gaps[1].count) == (GapReason.REFUSED, 1)
        await publisher.publish(node.topic("DDATA", "press"), b"\xff\xff\xff")
        await taken.until(lambda: len(taken.gaps) == 3)
        assert len(publisher.heard) == 2, "it was asked once, and has not answered"


async def test_what_is_dead_is_bad_until_it_is_born_again(broker: OpenBroker) -> None:
    async with (
        Publisher(broker.port) as publisher,
        taking(broker.port, *SIGNALS) as taken,
    ):
        node, ms = SparkplugNode(publisher), now_ms()
        await born(node, taken, ms)
        await node.say("DDEATH", device="press")
        await taken.until(lambda: taken.last("temp").status is Status.BAD)
        assert taken.last("temp").code == MessageCode.DEAD
        assert taken.last("load").status is Status.GOOD
        await born(node, taken, ms)
        await taken.until(lambda: taken.last("temp").status is Status.GOOD)
        node.births -= 1
        await node.say("NDEATH")  # the will of an earlier connection, come late
        node.births += 1
        await node.say("NDEATH")
        await taken.until(lambda: taken.last("load").status is Status.BAD)
        dead = [each for each in taken.readings if each.code == MessageCode.DEAD]
        assert [str(each.signal) for each in dead].count("load") == 1


@pytest.mark.parametrize(
    ("said", "status", "code", "value"),
    [
        (metric("Zone/Temp", DOUBLE, None), Status.BAD, Doubt.NO_VALUE, None),
        (metric("Zone/Temp", DOUBLE, 1.0, quality=500), Status.UNCERTAIN, 500, 1.0),
        (metric("Zone/Temp", DOUBLE, 1.0, quality=0), Status.BAD, MessageCode.QUALITY, None),
        (metric("Zone/Temp", DOUBLE, 1.0, quality=192), Status.GOOD, 0, 1.0),
        (metric("Zone/Temp", DOUBLE, float("nan")), Status.BAD, Doubt.NOT_FINITE, None),
        (metric("Zone/Temp", STRING, "hot"), Status.BAD, Doubt.WRONG_TYPE, None),
        (metric("Zone/Temp", DATASET, b"\x08\x01"), Status.BAD, MessageCode.TYPE, None),
        (metric("Zone/Temp", DOUBLE, 1.0, ms=1), Status.UNCERTAIN, Doubt.IMPOSSIBLE_TIME, 1.0),
        (metric("Zone/Temp", DOUBLE, 1.0, ms=2**63), Status.UNCERTAIN, MessageCode.NO_TIME, 1.0),
        (metric("Zone/Temp", DOUBLE, 1.0, ms=_LAST_YEAR, historical=True), Status.GOOD, 0, 1.0),
    ],
)
async def test_a_node_is_believed_as_far_as_it_vouches(
    broker: OpenBroker, said: bytes, status: Status, code: int, value: float | None
) -> None:
    async with Publisher(broker.port) as publisher, taking(broker.port, *SIGNALS) as taken:
        node = SparkplugNode(publisher)
        await node.say("NBIRTH")
        await node.say("DBIRTH", said, device="press")
        await taken.until(lambda: taken.readings)
    (found,) = taken.readings
    assert (found.status, found.code, found.value) == (status, code, value)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**64 - 1), st.text(), st.booleans())
def test_a_payload_says_what_was_written(whole: int, large: int, text: str, flag: bool) -> None:
    data = field(1, 5) + field(3, 7) + field(9, b"unknown") + varint(10 << 3 | 5) + b"\0\0\0\0"
    for each in (
        metric("a", INT32, whole),
        metric("b", UINT64, large),
        metric("c", STRING, text),
        metric("d", BOOLEAN, flag),
    ):
        data += field(2, each)
    found = decode_payload(data)
    assert (found.time_ms, found.seq) == (5, 7)
    assert [each.value for each in found.metrics] == [whole, large, text, flag]


@given(st.binary(max_size=300))
def test_octets_are_a_payload_or_an_error(data: bytes) -> None:
    with contextlib.suppress(SparkplugError):
        decode_payload(data)


@given(st.data())
def test_a_payload_that_was_cut_is_an_error_or_less(data: Any) -> None:
    whole = encode_rebirth(1_800_000_000_000)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    with contextlib.suppress(SparkplugError):
        assert len(decode_payload(cut).metrics) <= 1


@pytest.mark.parametrize(
    ("value", "datatype", "expected"),
    [(255, 1, -1), (2**32 - 1, 3, -1), (2**64 - 5, 4, -5), (255, 5, 255), (1, 11, True)],
)
def test_negative_numbers_travel_as_unsigned_ones(
    value: int, datatype: int, expected: object
) -> None:
    assert typed(value, datatype) == expected


@pytest.mark.parametrize(
    ("path", "document", "expected"),
    [
        ("", 5, 5),
        ("a", {"a": 1}, 1),
        ("a.b[1].c", {"a": {"b": [0, {"c": 2}]}}, 2),
        ("[0]", [9], 9),
        ('["a.b"][0]', {"a.b": [3]}, 3),
        ('x["y z"]', {"x": {"y z": 4}}, 4),
    ],
)
def test_a_path_finds_its_place(path: str, document: object, expected: object) -> None:
    assert find(document, parse_path(path)) == expected


@pytest.mark.parametrize("document", [{}, [], {"a": []}, {"a": {"b": [1]}}, None, "abc"])
def test_a_place_that_is_not_there_is_absent(document: object) -> None:
    with pytest.raises(Absent):
        find(document, parse_path("a.b[1]"))


@pytest.mark.parametrize("path", ["a..b", "a[", "a[x]", ".", "a]b", "[1]a"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no path"):
        parse_path(path)


@pytest.mark.parametrize(
    ("signal", "wrong"),
    [
        ({"topic": "a/+"}, "one topic"),
        ({"topic": "a", "path": "a..b"}, "no path"),
        ({"topic": "a", "format": "plain"}, "text or bytes"),
        ({"topic": "a", "format": "sparkplug", "path": "x"}, "GROUP/NODE"),
        ({"topic": "a/b", "format": "sparkplug"}, "metric's name"),
        ({"topic": "a", "kind": "tag_read"}, "tag reads"),
    ],
)
def test_settings_say_what_is_wrong(signal: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        SPEC.settings.model_validate({"host": "h", "signals": [{"name": "a", **signal}]})
