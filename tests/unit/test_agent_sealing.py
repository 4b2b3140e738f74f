"""Cut, seal, append, acknowledge: in that order, each reading once or named in a gap."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.sealing.gaps import HEADERS_MAX, OpenGap, fit, shares
from edge_agent.sealing.inbox import Entry, Inbox
from edge_agent.sealing.packing import pack
from protocols.field.driver import Delivery, Shed
from protocols.wire.bundle import Bundle
from protocols.wire.header import ClockState, OpeningReason
from protocols.wire.limits import GAPS_PER_BUNDLE_MAX, MESSAGE_BYTES_MAX
from protocols.wire.reading import Gap, GapReason, Kind, Reading, SignalName, TagRead
from tests.agent_line import NOW, fsck, line_in


def reading(**changes: Any) -> Reading:
    fields: dict[str, Any] = {
        "signal": SignalName("a"),
        "kind": Kind.FLOAT64,
        "value": 1.0,
        "gateway_time": NOW,
    }
    return Reading(**{**fields, **changes})


SOUND = reading()
POISON = [
    ("no signal name", reading(signal=SignalName(""))),
    ("a name too long", reading(signal=SignalName("x" * 257))),
    ("not a number", reading(value=math.nan)),
    ("infinity", reading(value=math.inf, kind=Kind.FLOAT32)),
    ("an integer as a float", reading(value=1)),
    ("too large an integer", reading(kind=Kind.INT, value=2**63)),
    ("a negative unsigned", reading(kind=Kind.UINT, value=-1)),
    ("a truth that is a number", reading(kind=Kind.BOOL, value=1)),
    ("a text too long", reading(kind=Kind.TEXT, value="x" * 70_000)),
    ("half a character", reading(kind=Kind.TEXT, value="\ud800")),
    ("bytes as text", reading(kind=Kind.TEXT, value=b"x")),
    ("a tag read that is none", reading(kind=Kind.TAG_READ, value=3.0)),
    ("a raw form too long", reading(value=None, raw=b"x" * 70_000)),
    ("a time before 1970", reading(gateway_time=-1)),
    ("a time past 64 bits", reading(gateway_time=2**63)),
    ("a source time past 64 bits", reading(source_time=2**70)),
]


class TestPacking:
    @pytest.mark.parametrize(("label", "poison"), POISON, ids=[label for label, _ in POISON])
    def test_what_cannot_be_sealed_is_refused_alone(self, label: str, poison: Reading) -> None:
        packed, sifted = pack([SOUND, poison, SOUND])
        assert sifted.sound == [SOUND, SOUND], label
        assert sifted.refused == [poison]
        assert sum(sifted.reasons.values()) == 1
        assert [body.count for body in packed] == [2]

    def test_nothing_makes_an_empty_body(self) -> None:
        (packed,), _ = pack([])
        assert (packed.count, packed.first_time) == (0, None)

    def test_what_is_too_much_for_one_bundle_becomes_several(self) -> None:
        texts = [reading(kind=Kind.BYTES, value=bytes([n]) * 65_535, raw=b"") for n in range(200)]
        noise = [
            reading(kind=Kind.BYTES, value=SEEDED[at : at + 60_000])
            for at in range(0, 2**21, 60_000)
        ]
        packed, sifted = pack(texts + noise)
        assert sum(body.count for body in packed) == len(texts) + len(noise)
        assert not sifted.refused
        assert len(packed) > 1
        assert all(len(body.body) < MESSAGE_BYTES_MAX for body in packed)


SEEDED = random.Random(1).randbytes(2**21 + 60_000)


class TestGaps:
    def test_few_gaps_stay_as_they_are(self) -> None:
        gaps = [
            Gap(subject="a", start=1, end=2, reason=GapReason.OVERRUN, count=3),
            Gap(subject="a", start=2, end=4, reason=GapReason.OVERRUN, count=4),
        ]
        assert fit(gaps) == tuple(gaps)

    def test_gaps_that_touch_become_one_when_there_are_too_many(self) -> None:
        many = [
            Gap(subject="a", start=n, end=n + 1, reason=GapReason.OVERRUN, count=1)
            for n in range(GAPS_PER_BUNDLE_MAX + 1)
        ]
        (merged,) = fit(many)
        assert merged == Gap(
            subject="a",
            start=0,
            end=GAPS_PER_BUNDLE_MAX + 1,
            reason=GapReason.OVERRUN,
            count=GAPS_PER_BUNDLE_MAX + 1,
        )

    def test_too_many_for_one_header_take_several_and_lose_nothing(self) -> None:
        lost = [down(f"s{n}", n) for n in range(1000)]
        came = [replace(gap, reason=GapReason.BACKFILLED, count=1) for gap in lost]
        several = shares([*came, *lost])
        assert [gap for share in several for gap in share] == sorted(
            [*lost, *came], key=lambda gap: (gap.reason, gap.subject)
        )
        assert len(several) == 4
        assert max(map(len, several)) == GAPS_PER_BUNDLE_MAX

    def test_nothing_to_declare_is_one_header_too(self) -> None:
        assert shares([]) == [()]

    def test_too_many_subjects_become_the_whole_gateway(self) -> None:
        (merged,) = fit(down(f"s{n}", n) for n in range(TOO_MANY))
        assert (merged.subject, merged.start, merged.end) == ("*", 0, TOO_MANY)
        assert merged.count is None, "an unknown count stays unknown"

    def test_long_subjects_fit_the_header_too(self) -> None:
        several = shares(down("s" * 250 + str(n), n) for n in range(400))
        assert sum(map(len, several)) == 400
        assert max(map(len, several)) < 200

    def test_what_came_after_all_is_never_said_of_more_than_came(self) -> None:
        came = Gap(subject="a", start=1, end=2, reason=GapReason.BACKFILLED, count=1)
        lost = Gap(subject="a", start=1, end=9, reason=GapReason.SUBSCRIPTION_LOST)
        assert fit([came, lost]) == (lost, came)
        many = [replace(came, subject=f"s{n}", end=n) for n in range(2, TOO_MANY + 9)]
        first, *kept = fit([*many, lost])
        assert first == lost
        assert set(kept) < set(many)
        assert len(kept) == HEADERS_MAX * GAPS_PER_BUNDLE_MAX - 1
        assert min(gap.end for gap in kept) > min(gap.end for gap in many), "the longest are kept"

    def test_a_clock_that_stepped_back_turns_no_gap_around(self) -> None:
        (gap,) = fit([Gap(subject="a", start=9, end=3, reason=GapReason.OVERRUN)])
        assert (gap.start, gap.end) == (3, 9)

    def test_an_open_gap_grows(self) -> None:
        gap = OpenGap("*", GapReason.DISK_FULL)
        gap.add(2, 10, 20)
        gap.add(3, 5, 12)
        assert gap.gap() == Gap(subject="*", start=5, end=20, reason=GapReason.DISK_FULL, count=5)


CLASSES = {"may-go": Shed.FIRST, "critical": Shed.LAST}


def named(name: str) -> Reading:
    return reading(signal=SignalName(name))


def entry(*readings: Reading, urgent: bool = False) -> Entry:
    delivery = Delivery(readings=readings, urgent=urgent)
    return Entry(delivery=delivery, committed=lambda: None, classes=CLASSES)


TOO_MANY = HEADERS_MAX * GAPS_PER_BUNDLE_MAX + 1


def down(subject: str, start: int) -> Gap:
    return Gap(subject=subject, start=start, end=start + 1, reason=GapReason.SOURCE_DOWN)


class TestInbox:
    async def test_a_full_inbox_refuses_and_declares(self) -> None:
        inbox = Inbox(readings_max=10, cut_count=100, cut_bytes=10_000)
        assert [inbox.offer(entry(SOUND)) for _ in range(11)] == [True] * 9 + [False] * 2
        assert inbox.offer(entry(SOUND, urgent=True)), "what comes only once finds room for longer"
        taken = inbox.take()
        assert len(taken.readings()) == 10
        assert taken.overrun == 2
        assert taken.gaps == [
            Gap(subject="a", start=NOW, end=NOW, reason=GapReason.OVERRUN, count=2)
        ]
        assert inbox.take().gaps == []

    async def test_what_is_given_up_first_makes_room_for_what_is_given_up_last(self) -> None:
        inbox = Inbox(readings_max=10, cut_count=100, cut_bytes=10_000)
        for name in ("may-go", "usual", "may-go", "usual"):
            assert inbox.offer(entry(named(name), named(name)))
        assert not inbox.offer(entry(named("may-go"), named("usual"))), "9 of 10 for these two"
        assert inbox.offer(entry(*[named("critical")] * 4))
        assert not inbox.offer(entry(named("may-go")))
        assert inbox.offer(entry(*[named("critical")] * 3))
        assert not inbox.offer(entry(*[named("critical")] * 5)), "there is no more to give up"
        taken = inbox.take()
        assert Counter(each.signal for each in taken.readings()) == {"critical": 10}
        lost = {gap.subject: gap.count for gap in taken.gaps}
        assert lost == {"may-go": 6, "usual": 5, "critical": 2}
        assert taken.overrun == 13
        assert {gap.reason for gap in taken.gaps} == {GapReason.OVERRUN}

    async def test_what_comes_only_once_is_critical_unless_its_signal_says_otherwise(self) -> None:
        inbox = Inbox(readings_max=10, cut_count=100, cut_bytes=10_000)
        for _ in range(9):
            inbox.offer(entry(SOUND))
        assert not inbox.offer(entry(*[named("usual")] * 3, named("may-go"), urgent=True))
        taken = inbox.take()
        assert Counter(each.signal for each in taken.readings()) == {"a": 7, "usual": 3}
        assert {gap.subject: gap.count for gap in taken.gaps} == {"a": 2, "may-go": 1}

    async def test_a_source_that_can_send_again_waits_but_not_with_what_is_critical(self) -> None:
        inbox = Inbox(readings_max=10, cut_count=100, cut_bytes=10_000)
        inbox.offer(entry(*[SOUND] * 9))
        both = entry(named("usual"), named("critical"))
        await asyncio.wait_for(inbox.room(both), 60)
        assert not inbox.offer(both)
        waiting = asyncio.create_task(inbox.room(entry(named("usual"))))
        await asyncio.sleep(0)
        assert not waiting.done()
        inbox.take()
        await asyncio.wait_for(waiting, 60)

    async def test_room_that_was_made_is_used_again(self) -> None:
        inbox = Inbox(readings_max=10, cut_count=1000, cut_bytes=1_000_000)
        offered: Counter[str] = Counter()
        for name in random.Random(7).choices(["may-go", "usual", "critical"], k=300):
            readings = [named(name)] * random.Random(name).randint(1, 3)
            offered[name] += len(readings)
            inbox.offer(entry(*readings))
            assert 0 < inbox.readings <= 10
        taken = inbox.take()
        kept = Counter(str(each.signal) for each in taken.readings())
        lost = {gap.subject: gap.count or 0 for gap in taken.gaps}
        assert {name: kept[name] + lost.get(name, 0) for name in offered} == offered
        assert kept == {"critical": 10}

    async def test_equipment_that_can_send_again_waits_for_room(self) -> None:
        inbox = Inbox(readings_max=10, cut_count=100, cut_bytes=10_000)
        inbox.offer(entry(*[SOUND] * 9))
        waiting = asyncio.create_task(inbox.room(entry(*[SOUND] * 5)))
        await asyncio.sleep(0)
        assert not waiting.done()
        inbox.take()
        await asyncio.wait_for(waiting, 60)

    @pytest.mark.parametrize(
        "due", [entry(SOUND, urgent=True), entry(*[SOUND] * 100), entry(reading(raw=b"x" * 10_000))]
    )
    async def test_count_bytes_and_urgency_make_a_cut_due_at_once(self, due: Entry) -> None:
        inbox = Inbox(readings_max=1000, cut_count=100, cut_bytes=10_000)
        inbox.offer(due)
        await asyncio.wait_for(inbox.until_due(age_max=3600, silence_max=3600), 60)

    async def test_age_makes_a_cut_due_and_so_does_silence(self) -> None:
        inbox = Inbox(readings_max=1000, cut_count=100, cut_bytes=10_000)
        await asyncio.wait_for(inbox.until_due(age_max=3600, silence_max=0.05), 60)
        waiting = asyncio.create_task(inbox.until_due(age_max=0.05, silence_max=3600))
        await asyncio.sleep(0)
        inbox.offer(entry(SOUND))
        await asyncio.wait_for(waiting, 60)

    async def test_a_closed_inbox_is_due(self) -> None:
        inbox = Inbox(readings_max=1000, cut_count=100, cut_bytes=10_000)
        inbox.close()
        await asyncio.wait_for(inbox.until_due(age_max=3600, silence_max=3600), 60)


class TestSealer:
    async def test_the_first_bundle_opens_the_epoch(self, tmp_path: Path) -> None:
        async with line_in(tmp_path) as line:
            await line.sealer.cut()
            (header,) = line.headers()
            assert header.opening is not None
            assert header.opening.reason is OpeningReason.NEW
            assert (header.number, header.count, header.gaps) == (0, 0, ())
            assert header.clock.state is ClockState.SYNCHRONISED

    async def test_readings_are_acknowledged_after_they_are_on_disk(self, tmp_path: Path) -> None:
        async with line_in(tmp_path) as line:
            line.offer(line.reading(1.5), line.reading(2.5))
            assert line.committed == []
            await line.sealer.cut()
            assert line.committed == ["press-1 2"]
            assert [r.value for r in line.readings()] == [1.5, 2.5]
        assert (fsck(tmp_path).readings, fsck(tmp_path).problems) == (2, ())

    async def test_a_reading_that_breaks_a_limit_stops_no_other(self, tmp_path: Path) -> None:
        async with line_in(tmp_path) as line:
            line.offer(line.reading(), line.reading(signal="b", value=math.nan))
            await line.sealer.cut()
            (header,) = line.headers()
            assert header.counters.refused == {"malformed": 1}
            assert (header.counters.read, header.counters.sealed) == (2, 1)
            (gap,) = header.gaps
            assert (gap.subject, gap.reason, gap.count) == ("b", GapReason.REFUSED, 1)
        assert not fsck(tmp_path).problems

    async def test_what_overran_is_counted(self, tmp_path: Path) -> None:
        async with line_in(tmp_path, readings_max=10) as line:
            for _ in range(12):
                line.offer(line.reading())
            await line.sealer.cut()
            counters = line.headers()[0].counters
            assert (counters.read, counters.sealed) == (12, 9)
            assert counters.refused == {"overrun": 3}
        assert not fsck(tmp_path).problems

    async def test_sources_that_are_down_are_declared_in_every_bundle(self, tmp_path: Path) -> None:
        async with line_in(tmp_path) as line:
            gap = Gap(subject="press-1", start=NOW, end=NOW + 5, reason=GapReason.SOURCE_DOWN)
            line.down.append(gap)
            await line.sealer.cut()
            assert line.headers()[0].gaps == (gap,)

    async def test_heartbeats_prove_silence_and_the_end_is_sealed(self, tmp_path: Path) -> None:
        async with line_in(tmp_path) as line:
            running = asyncio.create_task(line.sealer.run())
            async with asyncio.timeout(60):
                while len(line.sealed) < 3:  # noqa: ASYNC110 -- what is sealed has no event
                    await asyncio.sleep(0.01)
            line.offer(line.reading(7.0))
            line.inbox.close()
            await asyncio.wait_for(running, 60)
            assert [r.value for r in line.readings()] == [7.0]
            assert all(header.count == 0 for header in line.headers()[:-1])

    async def test_the_first_readings_are_sealed_long_before_their_age(
        self, tmp_path: Path
    ) -> None:
        async with line_in(tmp_path) as line:
            line.sealer.age_s = 3600
            running = asyncio.create_task(line.sealer.run())
            async with asyncio.timeout(60):
                while not line.sealed:  # noqa: ASYNC110 -- what is sealed has no event
                    await asyncio.sleep(0.01)
                line.offer(line.reading(7.0))
                while not line.readings():  # noqa: ASYNC110 -- as above
                    await asyncio.sleep(0.01)
            line.inbox.close()
            await asyncio.wait_for(running, 60)

    async def test_the_next_start_declares_that_the_agent_was_stopped(self, tmp_path: Path) -> None:
        async with line_in(tmp_path) as line:
            await line.sealer.cut()
            stopped = line.headers()[0].sealed_time
            clock = line.source
        clock.advance(60_000_000_000)
        async with line_in(tmp_path, source=clock) as line:
            line.inbox.close()
            await line.sealer.run()
            gap = line.headers()[0].gaps[0]
            assert gap == Gap(
                subject="*", start=stopped, end=clock.wall_time, reason=GapReason.AGENT_STOPPED
            )

    async def test_tag_reads_survive_whole(self, tmp_path: Path) -> None:
        seen = TagRead(
            epc=b"\x30\x00", epc_bits=13, antenna=2, rssi=-5012, first_seen=5, last_seen=9, count=3
        )
        async with line_in(tmp_path) as line:
            line.offer(line.reading(kind=Kind.TAG_READ, value=seen), urgent=True)
            await line.sealer.cut()
            assert [r.value for r in line.readings()] == [seen]

    async def test_a_load_too_large_for_one_bundle_is_one_commit(self, tmp_path: Path) -> None:
        async with line_in(tmp_path) as line:
            noise = [
                line.reading(kind=Kind.BYTES, value=SEEDED[at : at + 60_000])
                for at in range(0, 2**21, 60_000)
            ]
            line.offer(*noise)
            await line.sealer.cut()
            headers = line.headers()
            assert len(headers) > 1
            assert headers[-1].end_reading == len(noise)
            assert isinstance(line.sealed[0].bundle, Bundle)
        assert not fsck(tmp_path).problems


async def test_a_sealer_that_makes_no_way_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with line_in(tmp_path) as line:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await line.sealer.cut()
        assert line.sealer.in_time()
        monkeypatch.setattr(loop, "time", lambda: start + 3600)
        assert not line.sealer.in_time()
        await line.sealer.cut()
        assert line.sealer.in_time()


async def test_gaps_too_many_for_a_header_are_sealed_in_bundles_of_their_own(
    tmp_path: Path,
) -> None:
    async with line_in(tmp_path) as line:
        lost = [down(f"s{n}", n) for n in range(700)]
        came = [replace(gap, reason=GapReason.BACKFILLED, count=1) for gap in lost]
        line.down.extend([*came, *lost])
        line.offer(line.reading())
        await line.sealer.cut()
        headers = line.headers()
        assert [header.count for header in headers] == [1, 0, 0]
        said = [gap for header in headers for gap in header.gaps]
        assert said[:700] == sorted(lost, key=lambda gap: gap.subject)
        assert said[700:] == sorted(came, key=lambda gap: gap.subject)
        assert {header.counters.read for header in headers} == {1}
    assert not fsck(tmp_path).problems
