"""What the LLRP driver remembers and what waits: repeats, the inbox, settings, signals."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import ValidationError

from protocols.field.driver import DriverError
from protocols.field.llrp.codec import ReaderEvent, TagReport
from protocols.field.llrp.inbox import Inbox
from protocols.field.llrp.readings import Readings
from protocols.field.llrp.repeats import Repeats
from protocols.field.llrp.settings import LlrpSettings
from protocols.wire.limits import VALUE_BYTES_MAX
from protocols.wire.reading import SECOND, Doubt, Kind, Nanoseconds, Status, TagRead

NOW = 1_800_000_000 * SECOND


class StoodClock:
    """A clock that stands still."""

    def gateway_time(self) -> Nanoseconds:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    def skew_max(self) -> Nanoseconds | None:
        return SECOND


def tag(**changes: object) -> TagReport:
    given = {
        "raw": b"as it came",
        "epc": b"\x01" * 12,
        "epc_bits": 96,
        "antenna": 1,
        "rssi": -5000,
        "first_utc_us": NOW // 1000,
        "last_utc_us": NOW // 1000,
        "first_uptime_us": None,
        "last_uptime_us": None,
        "count": 1,
    }
    return TagReport(**{**given, **changes})  # type: ignore[arg-type]


def test_a_repeat_is_known_by_epc_antenna_and_first_seen() -> None:
    repeats = Repeats(100)
    assert not repeats.seen(tag())
    assert repeats.seen(tag())
    assert repeats.seen(tag(rssi=-6000))
    assert not repeats.seen(tag(epc=b"\x02" * 12))
    assert not repeats.seen(tag(antenna=2))
    assert not repeats.seen(tag(first_utc_us=1))
    assert not repeats.seen(tag(epc_bits=95))


def test_one_seen_for_longer_is_no_repeat() -> None:
    repeats = Repeats(100)
    assert not repeats.seen(tag(last_utc_us=NOW // 1000))
    assert not repeats.seen(tag(last_utc_us=NOW // 1000 + 5))
    assert repeats.seen(tag(last_utc_us=NOW // 1000 + 5))
    assert repeats.seen(tag(last_utc_us=NOW // 1000))


def test_without_a_first_seen_nothing_is_a_repeat() -> None:
    repeats = Repeats(100)
    assert not any(repeats.seen(tag(first_utc_us=None)) for _ in range(3))
    assert len(repeats) == 0


def test_the_memory_of_repeats_is_bounded() -> None:
    repeats = Repeats(10)
    for number in range(1000):
        assert not repeats.seen(tag(first_utc_us=number))
    assert len(repeats) == 10
    assert repeats.seen(tag(first_utc_us=999))
    assert not repeats.seen(tag(first_utc_us=0))


def readings(**changes: object) -> Readings:
    settings = LlrpSettings.model_validate(
        {
            "host": "reader",
            "signals": [
                {"name": "in", "antenna": 1},
                {"name": "said", "reads": "events"},
            ],
            **changes,
        }
    )
    return Readings("dock", settings, StoodClock())


def test_a_tag_read_stands_for_its_last_seen() -> None:
    read = readings().of_tag(tag(first_utc_us=NOW // 1000 - 9, count=4))
    assert (read.signal, read.kind, read.status) == ("in", Kind.TAG_READ, Status.GOOD)
    assert read.source_time == NOW
    assert read.value == TagRead(
        epc=b"\x01" * 12,
        epc_bits=96,
        antenna=1,
        rssi=-5000,
        first_seen=NOW - 9000,
        last_seen=NOW,
        count=4,
    )


def test_an_antenna_without_a_signal_has_a_good_home() -> None:
    read = readings().of_tag(tag(antenna=3))
    assert (read.signal, read.status) == ("dock/tag-reads", Status.GOOD)
    named = readings(signals=[{"name": "rest"}]).of_tag(tag(antenna=None))
    assert (named.signal, named.status) == ("rest", Status.GOOD)
    assert readings(signals=[]).of_event("x").signal == "dock/events"


@pytest.mark.parametrize(
    ("lacking", "source_time"),
    [({"rssi": None}, NOW), ({"first_utc_us": None, "last_utc_us": None}, None)],
)
def test_what_was_asked_for_and_did_not_come_is_doubted(
    lacking: dict[str, object], source_time: int | None
) -> None:
    read = readings().of_tag(tag(**lacking))
    assert (read.status, read.code) == (Status.UNCERTAIN, Doubt.NO_VALUE)
    assert read.source_time == source_time
    assert read.raw == b"as it came"


def test_one_of_the_times_stands_for_the_other() -> None:
    read = readings().of_tag(tag(last_utc_us=None))
    assert isinstance(read.value, TagRead)
    assert (read.value.first_seen, read.value.last_seen) == (NOW, NOW)
    assert read.status is Status.GOOD


def test_uptime_is_placed_by_the_greeting() -> None:
    made = readings()
    up = tag(first_utc_us=None, last_utc_us=None, first_uptime_us=500, last_uptime_us=700)
    assert made.of_tag(up).source_time is None
    made.greet(ReaderEvent(utc_us=None, uptime_us=400, notices=()))
    assert made.of_tag(up).source_time == NOW + 300_000


def test_a_time_that_the_wire_cannot_hold_is_bad_and_kept() -> None:
    read = readings().of_tag(tag(last_utc_us=2**64 - 1))
    assert (read.status, read.value, read.raw) == (Status.BAD, None, b"as it came")
    event = ReaderEvent(utc_us=2**64 - 1, uptime_us=None, notices=())
    assert readings().of_event("boo", event).status is Status.BAD


def test_an_event_longer_than_a_value_is_cut_between_characters() -> None:
    said = readings().of_event("页" * 30_000)
    assert isinstance(said.value, str)
    assert VALUE_BYTES_MAX - 3 < len(said.value.encode()) <= VALUE_BYTES_MAX


async def test_a_full_inbox_makes_its_filler_wait_and_keeps_order() -> None:
    inbox, made = Inbox(3), readings()
    filled = 0

    async def fill() -> None:
        nonlocal filled
        for number in range(20):
            await inbox.room()
            inbox.put([made.of_event(str(number))])
            filled += 1

    task = asyncio.create_task(fill())
    for _ in range(50):
        await asyncio.sleep(0)
    assert filled == 3
    assert inbox.full
    taken: list[object] = []
    while len(taken) < 20:
        delivery = await inbox.take()
        assert delivery.urgent
        taken += [reading.value for reading in delivery.readings]
    await task
    assert taken == [str(number) for number in range(20)]


async def test_a_failure_comes_after_what_waits_and_stays() -> None:
    inbox, made = Inbox(3), readings()
    inbox.put([made.of_event("last words")])
    inbox.fail(DriverError("gone", hint="wait"))
    assert [reading.value for reading in (await inbox.take()).readings] == ["last words"]
    for _ in range(2):
        with pytest.raises(DriverError, match="gone"):
            await inbox.take()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"signals": [{"name": "a"}, {"name": "a", "antenna": 1}]}, "same name"),
        ({"signals": [{"name": "a", "antenna": 1}, {"name": "b", "antenna": 1}]}, "same antenna"),
        ({"signals": [{"name": "a", "reads": "events", "antenna": 1}]}, "no antenna"),
        ({"signals": [{"name": "a", "kind": 3}]}, "kind is TAG_READ"),
        ({"antennas": [0]}, "from 1"),
        ({"certificate_file": "c.pem"}, "key_file"),
        ({"session": 4}, "less than or equal to 3"),
        ({"hots": "typo"}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        LlrpSettings.model_validate({"host": "reader", **given})
