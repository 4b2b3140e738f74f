"""Whatever a reader sends is read, kept as unreadable, or refused; never anything else."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from plant.equipment.llrp_reader import report_message
from plant.equipment.sighting import ReaderClock, Sighting
from protocols.field.llrp.codec import Report, Spoilt, TagReport, Unreadable, decode
from protocols.field.llrp.framing import HEADER_BYTES, FormatError, Frame, Frames

KINDS = [1, 2, 3, 4, 11, 12, 13, 14, 20, 30, 36, 54, 60, 61, 62, 63, 64, 72, 100, 700, 1023]

sightings = st.builds(
    lambda epc, spare, antenna, rssi, first, seen, count: Sighting(
        epc=bytes([*epc[:-1], epc[-1] >> spare << spare]),
        epc_bits=len(epc) * 8 - spare,
        antenna=antenna,
        rssi=rssi,
        first_us=first,
        last_us=first + seen,
        count=count,
    ),
    st.binary(min_size=1, max_size=40),
    st.integers(0, 7),
    st.integers(1, 65535),
    st.integers(-128, 127),
    st.integers(0, 2**62),
    st.integers(0, 2**40),
    st.integers(0, 65535),
)


@given(st.sampled_from(KINDS), st.binary(max_size=200))
def test_any_body(kind: int, body: bytes) -> None:
    length = (HEADER_BYTES + len(body)).to_bytes(4, "big")
    raw = (1 << 10 | kind).to_bytes(2, "big") + length + bytes(4) + body
    with contextlib.suppress(Unreadable):
        decode(Frame(kind=kind, message_id=0, raw=raw))


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_any_stream(parts: list[bytes]) -> None:
    frames = Frames(4096)
    with contextlib.suppress(FormatError):
        for part in parts:
            frames.feed(part)
            while (frame := frames.take()) is not None:
                assert HEADER_BYTES <= len(frame.raw) <= 4096


@given(st.lists(sightings, max_size=5), st.sampled_from(ReaderClock))
def test_what_a_reader_saw_is_what_we_read(seen: list[Sighting], clock: ReaderClock) -> None:
    report = decode(Frame(kind=61, message_id=0, raw=report_message(seen, clock).to_bytes(0)))
    assert isinstance(report, Report)
    for read, sighting in zip(report.tags, seen, strict=True):
        assert isinstance(read, TagReport)
        times = (
            (read.first_utc_us, read.last_utc_us)
            if clock is ReaderClock.UTC
            else (read.first_uptime_us, read.last_uptime_us)
        )
        assert times == (sighting.first_us, sighting.last_us)
        assert (read.epc, read.epc_bits) == (sighting.epc, sighting.epc_bits)
        assert (read.antenna, read.count) == (sighting.antenna, sighting.count)
        assert read.rssi == sighting.rssi * 100


@given(st.lists(sightings, min_size=1, max_size=5), st.data())
def test_a_flipped_byte_is_read_or_kept(seen: list[Sighting], data: st.DataObject) -> None:
    raw = bytearray(report_message(seen, ReaderClock.UTC).to_bytes(0))
    raw[data.draw(st.integers(HEADER_BYTES, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    report = decode(Frame(kind=61, message_id=0, raw=bytes(raw)))
    assert isinstance(report, Report)
    for part in report.tags:
        assert isinstance(part, TagReport | Spoilt)
        assert part.raw in bytes(raw)
