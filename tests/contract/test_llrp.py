"""The LLRP driver against a portal with a real LLRP server: the contract, and its own cases."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from llrpkit.emulator import LLRPEmulator
from llrpkit.protocol import messages, params

from plant.ca import PlantCA
from plant.clock import utc_now
from plant.equipment.llrp_reader import Refusal
from plant.equipment.portal import Portal
from plant.equipment.sighting import ReaderClock, Sighting
from plant.network import Proxy
from protocols.field.driver import Delivery, DriverError, SettingsError
from protocols.field.llrp import SPEC
from protocols.field.llrp.driver import LlrpDriver
from protocols.field.llrp.settings import LlrpSettings
from protocols.wire.reading import GapReason, Kind, Reading, Status, TagRead
from tests.contract.driver_contract import (
    PATIENCE,
    HostClock,
    Keeps,
    Lie,
    ReadsContract,
    RecoversContract,
    Rig,
    Truth,
    behind_proxy,
)

EPC = bytes.fromhex("3034257bf7194e4000001a85")
TEN_YEARS_US = 10 * 365 * 86_400 * 1_000_000


def settings_for(port: int, **changes: object) -> LlrpSettings:
    return LlrpSettings.model_validate(
        {
            "host": "127.0.0.1",
            "port": port,
            "keepalive_s": 0.2,
            "keepalives_missed_max": 2,
            "answer_timeout_s": 1.0,
            "signals": [
                {"name": "dock/in", "antenna": 1},
                {"name": "dock/out", "antenna": 2},
                {"name": "dock/other"},
                {"name": "dock/events", "reads": "events"},
            ],
            **changes,
        }
    )


class LlrpRig(Rig):
    """A portal behind the proxy; the count is carried in the EPC."""

    spec = SPEC
    counter = "dock/out"
    keeps = Keeps.EVERY
    source_time = True
    silence_max = 30.0

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.portal = Portal()
        self.made = 0

    def settings(self) -> LlrpSettings:
        return settings_for(self.proxy.port)

    async def start(self) -> None:
        await self.portal.start()
        self.proxy.target = (self.portal.host, self.portal.port)

    async def stop(self) -> None:
        await self.portal.stop()

    async def produce(self) -> None:
        self.made += 1
        self.portal.observe(self.made.to_bytes(12, "big"), 2)

    def count(self, reading: Reading) -> int:
        assert isinstance(reading.value, TagRead)
        return int.from_bytes(reading.value.epc, "big")

    def truths(self) -> Sequence[Truth]:
        return [
            self._truth("dock/in", Sighting(epc=EPC, epc_bits=96, antenna=1, rssi=-48, **_now())),
            self._truth("dock/in", Sighting(epc=EPC, epc_bits=96, antenna=1, rssi=-127, **_now(9))),
            self._truth(
                "dock/other",
                Sighting(epc=b"\xab\xcd\xe0", epc_bits=19, antenna=4, rssi=-60, **_now(700)),
            ),
            self._truth(
                "dock/in", Sighting(epc=b"\x00" * 31, epc_bits=248, antenna=1, rssi=0, **_now())
            ),
        ]

    def _truth(self, signal: str, seen: Sighting) -> Truth:
        async def put() -> None:
            self.portal.reader.report([seen])

        return Truth(
            signal=signal,
            put=put,
            value=TagRead(
                epc=seen.epc,
                epc_bits=seen.epc_bits,
                antenna=seen.antenna,
                rssi=seen.rssi * 100,
                first_seen=seen.first_us * 1000,
                last_seen=seen.last_us * 1000,
                count=seen.count,
            ),
        )

    def lies(self) -> Sequence[Lie]:
        async def long_ago() -> None:
            times = _now(us=-TEN_YEARS_US)
            seen = Sighting(epc=EPC, epc_bits=96, antenna=1, rssi=-48, **times)
            self.portal.reader.report([seen])

        async def beyond_the_wire() -> None:
            seen = Sighting(
                epc=EPC, epc_bits=96, antenna=1, rssi=-48, first_us=1, last_us=2**64 - 1
            )
            self.portal.reader.report([seen])

        async def without_epc() -> None:
            self.portal.reader.send_raw(
                report_of(bytes.fromhex("00f000078100 01".replace(" ", "")))
            )

        return [
            Lie(label="ten years ago", signal="dock/in", put=long_ago),
            Lie(label="a time that no clock shows", signal="dock/in", put=beyond_the_wire),
            Lie(label="a tag report without EPC", signal="dock/other", put=without_epc),
        ]


def _now(count: int = 1, us: int = 0) -> dict[str, int]:
    at = HostClock().gateway_time() // 1000 + us
    return {"first_us": at, "last_us": at + 1, "count": count}


def report_of(body: bytes) -> bytes:
    """Return an RO_ACCESS_REPORT with this body."""
    return b"\x04\x3d" + (10 + len(body)).to_bytes(4, "big") + b"\x00\x00\x00\x07" + body


@pytest.fixture
async def rig() -> AsyncIterator[LlrpRig]:
    async with behind_proxy(LlrpRig) as rig:
        yield rig


class TestReads(ReadsContract):
    pass


class TestRecovers(RecoversContract):
    pass


class Open:
    """A driver that was opened, and everything it delivered."""

    def __init__(self, driver: LlrpDriver) -> None:
        self.driver = driver
        self.got: list[Delivery] = []

    @property
    def readings(self) -> list[Reading]:
        return [reading for delivery in self.got for reading in delivery.readings]

    @property
    def tags(self) -> list[Reading]:
        return [r for r in self.readings if r.kind is Kind.TAG_READ]

    @property
    def events(self) -> list[object]:
        return [r.value for r in self.readings if r.kind is Kind.TEXT]

    async def until(self, *, tags: int = 0, event: str = "") -> None:
        """Read until so many tag reads and an event of this beginning came."""
        async with asyncio.timeout(PATIENCE):
            while len(self.tags) < tags or not any(
                str(said).startswith(event) for said in (*self.events, "") if event or said == ""
            ):
                self.got.append(await self.driver.read())

    async def fails(self) -> DriverError:
        """Read until the line is lost, and return why."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    self.got.append(await self.driver.read())
                except DriverError as error:
                    return error


@contextlib.asynccontextmanager
async def opened(portal: Portal, **changes: object) -> AsyncIterator[Open]:
    driver = LlrpDriver("dock", settings_for(portal.port, **changes), HostClock())
    await driver.open()
    try:
        yield Open(driver)
    finally:
        await driver.close()


@pytest.fixture
async def portal() -> AsyncIterator[Portal]:
    async with Portal() as portal:
        yield portal


async def test_a_carrier_arrives_and_leaves(portal: Portal) -> None:
    async with opened(portal) as line:
        portal.arrive(EPC, 1)
        await line.until(tags=5)
        assert {(r.signal, r.status) for r in line.tags} == {("dock/in", Status.GOOD)}
        levels = [r.value.rssi for r in line.tags if isinstance(r.value, TagRead)]
        assert all(-6500 < level < -3000 for level in levels)
        assert all(delivery.urgent for delivery in line.got)
        portal.leave(EPC)
        assert portal.present == ()


async def test_presence_is_told_beside_the_raw_reads_and_outlives_a_cut(portal: Portal) -> None:
    signals = [
        {"name": "dock/in", "antenna": 1},
        {"name": "dock/who", "reads": "presence", "antenna": 1},
    ]
    rules = {"leave_s": 1.0, "reads_min": 2}
    async with opened(portal, signals=signals, presence=rules) as line:
        portal.arrive(EPC, 1)
        await line.until(event="enter")
        portal.reader.drop()
        await line.fails()
        await line.driver.open()
        raw = len(line.tags)
        await line.until(tags=raw + 2)
        portal.leave(EPC)
        await line.until(event="leave")
    said = [(r.signal, str(r.value)) for r in line.readings if r.signal == "dock/who"]
    assert [text.split()[:3] for _, text in said] == [
        [word, "urn:epc:id:sgtin:0614141.812345.6789", "antenna=1"] for word in ("enter", "leave")
    ]
    assert "stayed_ms=" in said[1][1]
    assert len(line.tags) > raw


async def test_our_rospec_is_asserted_once_and_kept(portal: Portal) -> None:
    async with opened(portal) as line:
        portal.observe(EPC, 1)
        await line.until(tags=1)
        assert portal.reader.heard == [
            "GET_READER_CAPABILITIES",
            "SET_READER_CONFIG",
            "GET_ROSPECS",
            "ADD_ROSPEC",
            "ENABLE_ROSPEC",
            "START_ROSPEC",
            "ENABLE_EVENTS_AND_REPORTS",
        ]
        assert portal.reader.reading == {1, 2, 3, 4}
    portal.reader.heard.clear()
    async with opened(portal):
        assert "ADD_ROSPEC" not in portal.reader.heard
        assert "DELETE_ROSPEC" not in portal.reader.heard


async def test_another_rospec_is_replaced(portal: Portal) -> None:
    async with opened(portal, session=2):
        pass
    portal.reader.heard.clear()
    async with opened(portal, session=3, antennas=(2,)):
        assert {"DELETE_ROSPEC", "ADD_ROSPEC"} <= set(portal.reader.heard)
        assert portal.reader.reading == {2}


async def test_fifty_repeats_after_a_reconnect_give_no_reading(portal: Portal) -> None:
    async with opened(portal) as line:
        for number in range(50):
            portal.observe(number.to_bytes(12, "big"), 1)
        await line.until(tags=50)
        portal.reader.drop()
        await line.fails()
        portal.observe(b"\xff" * 12, 1)  # held by the reader
        await line.driver.open()
        await line.until(tags=51)
        portal.observe(b"\xfe" * 12, 1)
        await line.until(tags=52)
        assert len(line.tags) == 52
        assert len({r.value for r in line.tags}) == 52


async def test_events_of_the_reader_are_kept(portal: Portal) -> None:
    async with opened(portal) as line:
        portal.reader.set_antenna(2, connected=False)
        portal.reader.set_antenna(2, connected=True)
        portal.reader.fill(80)
        portal.reader.fill(100)
        await line.until(event="report-buffer-overflow")
        assert line.events == [
            "connection-attempt status=Success",
            "antenna-disconnected antenna=2",
            "antenna-connected antenna=2",
            "report-buffer-filling percent=80",
            "report-buffer-overflow",
        ]
        assert all(r.source_time for r in line.readings)
        gaps = [gap for delivery in line.got for gap in delivery.gaps]
        assert [gap.reason for gap in gaps] == [GapReason.OVERRUN]


async def test_a_clock_of_uptime_is_placed_by_the_greeting() -> None:
    async with Portal(clock=ReaderClock.UPTIME) as portal, opened(portal) as line:
        before = HostClock().gateway_time()
        portal.observe(EPC, 1)
        await line.until(tags=1)
        [read] = line.tags
        assert read.status is Status.GOOD
        assert read.source_time is not None
        assert abs(read.source_time - before) < 1_000_000_000


async def test_keepalives_are_answered_at_once(portal: Portal) -> None:
    async with opened(portal, keepalive_s=0.2):
        async with asyncio.timeout(PATIENCE):
            while portal.reader.keepalives_answered < 10:  # noqa: ASYNC110 -- no event tells
                await asyncio.sleep(0.01)
        assert portal.reader.connected  # three without an answer, and the reader hangs up


async def test_a_refused_rospec_names_the_reason(portal: Portal) -> None:
    portal.reader.refusals["ADD_ROSPEC"] = Refusal(status=101, text="no antenna 9")
    with pytest.raises(DriverError, match=r"adding: FieldError: no antenna 9") as caught:
        async with opened(portal, antennas=(9,)):
            pass
    assert "antennas" in caught.value.hint
    del portal.reader.refusals["ADD_ROSPEC"]
    async with opened(portal):
        assert portal.reader.reading


async def test_a_reader_that_does_not_answer_is_given_up(portal: Portal) -> None:
    portal.reader.unanswered.add("GET_ROSPECS")
    with pytest.raises(DriverError, match="listing"):
        async with opened(portal, answer_timeout_s=0.2):
            pass


async def test_a_second_client_is_turned_away(portal: Portal) -> None:
    async with opened(portal) as line:
        with pytest.raises(DriverError, match="turned us away") as caught:
            async with opened(portal):
                pass
        assert "one client" in caught.value.hint
        await line.until(event="connection-attempt status=Another_Connection_Attempted")
        portal.observe(EPC, 1)
        await line.until(tags=1)


@pytest.mark.parametrize("host", ["127.0.0.1", "no such host", "a" * 70 + ".example"])
async def test_nobody_listens(host: str) -> None:
    driver = LlrpDriver("dock", settings_for(1, host=host), HostClock())
    with pytest.raises(DriverError, match="cannot connect"):
        await driver.open()
    await driver.close()
    await driver.close()
    with pytest.raises(DriverError, match="closed"):
        await driver.read()


async def test_a_flood_before_the_line_runs_is_bounded_and_declared(portal: Portal) -> None:
    driver = LlrpDriver("dock", settings_for(portal.port, messages_queued_max=4), HostClock())
    portal.reader.unanswered.add("GET_ROSPECS")
    opening = asyncio.create_task(driver.open())
    async with asyncio.timeout(PATIENCE):
        while "GET_ROSPECS" not in portal.reader.heard:  # noqa: ASYNC110 -- no event tells
            await asyncio.sleep(0.01)
    for number in range(100):
        sighting = portal.observe(number.to_bytes(12, "big"), 1)
        assert sighting.antenna == 1
    portal.reader.release()
    with pytest.raises(DriverError, match="listing"):
        await opening
    portal.reader.unanswered.clear()
    await driver.open()
    line = Open(driver)
    await line.until(tags=3)
    gaps = {gap.reason: gap for delivery in line.got for gap in delivery.gaps}
    missing = gaps[GapReason.OVERRUN].count
    assert missing is not None
    assert missing >= 90
    assert GapReason.SOURCE_DOWN in gaps
    await driver.close()


async def test_tls_files_that_are_not_there(tmp_path: Path) -> None:
    settings = settings_for(1, security="tls", ca_file=tmp_path / "none.pem")
    with pytest.raises(SettingsError, match="TLS"):
        await LlrpDriver("dock", settings, HostClock()).open()


async def test_over_tls_with_the_plants_authority(tmp_path: Path) -> None:
    ca = PlantCA(tmp_path, now=utc_now())
    reader, gateway = ca.issue("reader"), ca.issue("gateway")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca.root)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(reader.certificate, reader.key)
    given = {"security": "tls", "ca_file": ca.root}
    ours = {"certificate_file": gateway.certificate, "key_file": gateway.key}
    async with Portal(tls=tls) as portal:
        async with opened(portal, **given, **ours) as line:
            portal.observe(EPC, 1)
            await line.until(tags=1)
        with pytest.raises(DriverError):  # another name than the certificate's
            async with opened(portal, **given, **ours, server_name="other"):
                pass
        with pytest.raises(DriverError):  # no certificate of ours
            async with opened(portal, **given):
                pass


async def test_what_does_not_fill_a_report_is_fetched(portal: Portal) -> None:
    async with opened(portal, report_every=10, collect_s=0.1) as line:
        for number in range(13):
            portal.observe(number.to_bytes(12, "big"), 1)
        await line.until(tags=13)
        assert "GET_REPORT" in portal.reader.heard


async def test_another_makers_reader_is_understood() -> None:
    """Read from llrpkit's own emulator, which was not written for this driver."""
    async with LLRPEmulator(seed=1, reads_per_sec=200) as emulator:
        driver = LlrpDriver("dock", settings_for(emulator.port), HostClock())
        await driver.open()
        line = Open(driver)
        await line.until(tags=20)
        await driver.close()
        assert {r.signal for r in line.tags} == {"dock/in", "dock/out", "dock/other"}
        assert {r.status for r in line.tags} == {Status.GOOD}
        assert {tag.epc for tag in emulator.tags} >= {
            r.value.epc for r in line.tags if isinstance(r.value, TagRead)
        }


async def test_messages_in_crumbs_and_in_lumps(portal: Portal) -> None:
    async with opened(portal) as line:
        report = messages.RO_ACCESS_REPORT(
            tag_report_datas=[params.TagReportData(epc_parameter=params.EPC_96(epc=EPC))]
        ).to_bytes(1)
        for byte in report:
            portal.reader.send_raw(bytes([byte]))
            await asyncio.sleep(0)
        portal.reader.send_raw(report * 3)
        await line.until(tags=4)
        assert {r.status for r in line.tags} == {Status.UNCERTAIN}  # it gave no time and no RSSI


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 40, b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("043d7fffffff00000001"), b"\x04" * 12],
    ids=["ones", "http", "oversize", "short length"],
)
async def test_what_is_no_message_ends_the_line_and_is_kept(portal: Portal, garbage: bytes) -> None:
    async with opened(portal) as line:
        portal.reader.send_raw(garbage)
        error = await line.fails()
        assert "no LLRP message begins with" in str(error)
        kept = [r for r in line.readings if r.status is Status.BAD]
        assert [(r.signal, garbage.startswith(r.raw[:10])) for r in kept] == [("dock/events", True)]
        await line.driver.open()
        portal.observe(EPC, 1)
        await line.until(tags=1)


async def test_a_message_nobody_knows_is_kept_and_harms_nothing(portal: Portal) -> None:
    async with opened(portal) as line:
        portal.reader.send_raw(bytes.fromhex("07e00000000e00000001deadbeef"))
        await line.until(event="unknown-message")
        broken_event = bytes.fromhex("043f0000000c0000000100f6")
        portal.reader.send_raw(broken_event)
        portal.observe(EPC, 1)
        await line.until(tags=1)
        [bad] = [r for r in line.readings if r.status is Status.BAD]
        assert bad.raw == broken_event


async def test_what_came_while_nobody_listened_is_no_silence(portal: Portal) -> None:
    async with opened(
        portal, messages_queued_max=4, keepalive_s=1, keepalives_missed_max=1
    ) as line:
        for number in range(50):
            portal.observe(number.to_bytes(12, "big"), 1)
        await asyncio.sleep(2)  # no reading is taken for longer than a reader may be silent
        await line.until(tags=50)


async def test_a_gateway_that_is_slow_makes_the_reader_wait_and_loses_nothing(
    portal: Portal,
) -> None:
    async with opened(portal, messages_queued_max=4) as line:
        for number in range(500):
            portal.observe(number.to_bytes(12, "big"), 1)
        await line.until(tags=500)
        counts = [int.from_bytes(r.value.epc, "big") for r in line.tags]  # type: ignore[union-attr]
        assert counts == list(range(500))
