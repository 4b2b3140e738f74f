"""Captures of a real reader with their JSON twins, and bodies that no reader should send."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
from collections import Counter
from collections.abc import Iterator

import pytest
from llrpkit.protocol import BitStr, decode_message, messages, params

from protocols.field.llrp.codec import (
    Answer,
    Listed,
    Notice,
    ReaderEvent,
    Report,
    Spoilt,
    TagReport,
    Unreadable,
    decode,
    encode,
)
from protocols.field.llrp.framing import FormatError, Frame, Frames
from protocols.field.llrp.rospec import rospec
from protocols.field.llrp.session import Send
from protocols.field.llrp.settings import LlrpSettings
from tests.data import third_party

CAPTURES = {
    "CloseConnectionResponse-000": 4,
    "GetAccessSpecsResponse-000": 54,
    "GetROSpecsResponse-000": 36,
    "GetReaderCapabilitiesResponse-000": 11,
    "GetReaderConfigResponse-000": 12,
    "ReaderEventNotification-000": 63,
    **{f"ROAccessReport-{number:03d}": 61 for number in range(1, 10)},
}


def frame(kind: int, body: bytes, version: int = 1) -> Frame:
    first = (version << 10 | kind).to_bytes(2, "big")
    raw = first + (10 + len(body)).to_bytes(4, "big") + bytes(4) + body
    frames = Frames(1_048_576)
    frames.feed(raw)
    taken = frames.take()
    assert taken is not None
    return taken


def tlv(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "big") + (4 + len(body)).to_bytes(2, "big") + body


def values(of: object) -> Iterator[object]:
    """Yield the values in a decoded message or its JSON twin, names and absent ones left out."""
    if isinstance(of, str):
        try:
            yield from values(base64.b64decode(of, validate=True))
        except binascii.Error:
            yield of.encode()
    elif dataclasses.is_dataclass(of):
        for part in dataclasses.fields(of):
            yield from values(getattr(of, part.name))
    elif isinstance(of, dict):
        for item in of.values():
            yield from values(item)
    elif isinstance(of, list | tuple):
        for item in of:
            yield from values(item)
    elif isinstance(of, int):
        yield int(of)
    elif of:
        yield of


@pytest.mark.parametrize("name", CAPTURES)
def test_a_real_readers_messages_equal_their_twins(name: str) -> None:
    body = third_party(f"llrp/edgex/{name}.bytes").read_bytes()
    twin = json.loads(third_party(f"llrp/edgex/{name}.json").read_text())
    sent = frame(CAPTURES[name], body)
    message = decode_message(sent.raw)
    ours, theirs = Counter(values(message)), Counter(values(twin))
    assert not ours - theirs
    assert set(theirs - ours) <= {0}  # the twins write 0 for some of what was not sent
    assert message.to_bytes(0) == sent.raw


@pytest.mark.parametrize("name", [name for name in CAPTURES if name.startswith("ROAccess")])
def test_a_real_readers_tag_reports_equal_their_twins(name: str) -> None:
    report = decode(frame(61, third_party(f"llrp/edgex/{name}.bytes").read_bytes()))
    twin = json.loads(third_party(f"llrp/edgex/{name}.json").read_text())["TagReportData"]
    assert isinstance(report, Report)
    assert len(report.tags) == len(twin)
    for ours, theirs in zip(report.tags, twin, strict=True):
        assert isinstance(ours, TagReport)
        assert ours.epc == base64.b64decode(theirs["EPC96"]["EPC"])
        assert ours.epc_bits == 96
        assert ours.rssi == theirs["PeakRSSI"] * 100
        assert ours.antenna == theirs["AntennaID"]
        assert ours.first_utc_us == theirs["FirstSeenUTC"]
        assert ours.last_utc_us == theirs["LastSeenUTC"]
        assert ours.count == theirs["TagSeenCount"]


def test_a_real_readers_farewell_and_capabilities() -> None:
    body = third_party("llrp/edgex/ReaderEventNotification-000.bytes").read_bytes()
    event = decode(frame(63, body))
    assert event == ReaderEvent(
        utc_us=1596721689842138,
        uptime_us=None,
        notices=((Notice.FAREWELL, "connection-close"),),
    )
    body = third_party("llrp/edgex/GetReaderCapabilitiesResponse-000.bytes").read_bytes()
    answer = decode(frame(11, body))
    assert isinstance(answer, Answer)
    twin = json.loads(third_party("llrp/edgex/GetReaderCapabilitiesResponse-000.json").read_text())
    assert answer.status == 0
    assert answer.holds is twin["LLRPCapabilities"]["SupportsEventsAndReportHolding"]


@pytest.mark.parametrize("bits", [0, 1, 7, 8, 19, 95, 96, 97, 496])
def test_an_epc_of_any_length_survives_with_its_spare_bits_zero(bits: int) -> None:
    ones = BitStr(bits, b"\xff" * ((bits + 7) // 8))
    data = params.TagReportData(epc_parameter=params.EPCData(epc=ones))
    report = decode(frame(61, data.encode()))
    assert isinstance(report, Report)
    [read] = report.tags
    assert isinstance(read, TagReport)
    assert read.epc_bits == bits
    assert int.from_bytes(read.epc, "big") == ((1 << bits) - 1) << -bits % 8
    assert len(read.epc) == (bits + 7) // 8


SOUND = params.TagReportData(
    epc_parameter=params.EPC_96(epc=bytes(range(12))),
    antenna_id=params.AntennaID(antenna_id=3),
    peak_rssi=params.PeakRSSI(peak_rssi=-61),
).encode()


@pytest.mark.parametrize(
    "spoilt",
    [
        tlv(240, b""),
        tlv(240, b"\x81\x00\x01"),
        tlv(240, b"\x8d" + bytes(3)),
        tlv(240, tlv(241, b"\x00\x60" + bytes(3))),
        tlv(240, b"\x8d" + bytes(12) + b"\xfe"),
        tlv(240, b"\x8d" + bytes(12) + b"\x00\xf1\x00\x02"),
    ],
    ids=["empty", "no EPC", "cut EPC", "short EPCData", "unknown TV", "length below 4"],
)
def test_a_spoilt_tag_report_costs_no_other(spoilt: bytes) -> None:
    report = decode(frame(61, SOUND + spoilt + SOUND))
    assert isinstance(report, Report)
    first, bad, last = report.tags
    assert isinstance(first, TagReport)
    assert first == last
    assert (first.antenna, first.rssi) == (3, -6100)
    assert isinstance(bad, Spoilt)
    assert bad.raw == spoilt
    assert bad.why


def test_a_report_whose_framing_is_lost_keeps_what_came_before() -> None:
    report = decode(frame(61, SOUND + b"\x00\xf0\xff\xff" + SOUND))
    assert isinstance(report, Report)
    first, rest = report.tags
    assert isinstance(first, TagReport)
    assert isinstance(rest, Spoilt)
    assert rest.raw == b"\x00\xf0\xff\xff" + SOUND


def test_words_of_llrp_1_1_and_vendors_parameters_are_passed_over() -> None:
    extended = b"\x93\x12\x34\x94\x56\x78"  # C1G2XPCW1, C1G2XPCW2
    vendor = tlv(1023, (99999).to_bytes(4, "big") + (7).to_bytes(4, "big") + b"secret")
    unknown = tlv(700, b"later")
    body = tlv(240, SOUND[4:] + extended + vendor + unknown)
    report = decode(frame(61, vendor + body + unknown, version=2))
    assert isinstance(report, Report)
    [read] = report.tags
    assert isinstance(read, TagReport)
    assert (read.antenna, read.raw) == (3, body)  # and kept as they came


def test_an_impinj_reader_says_rssi_finer() -> None:
    fine = tlv(1023, (25882).to_bytes(4, "big") + (57).to_bytes(4, "big") + b"\xe8\x44")
    report = decode(frame(61, tlv(240, SOUND[4:] + fine)))
    assert isinstance(report, Report)
    assert isinstance(report.tags[0], TagReport)
    assert report.tags[0].rssi == -6076


@pytest.mark.parametrize("kind", [4, 11, 12, 30, 36, 63, 100])
@pytest.mark.parametrize("body", [b"", b"\x00", b"\xff" * 9, b"\x01\x1f\x00\x02"])
def test_a_body_that_does_not_decode_says_so(kind: int, body: bytes) -> None:
    with pytest.raises(Unreadable, match=f"message type {kind}"):
        decode(frame(kind, body))


def test_parameters_nested_without_end_are_unreadable() -> None:
    nest = b""
    while len(nest) < 60_000:
        nest = tlv(222, b"\x00\x01" + nest)
    with pytest.raises(Unreadable):
        decode(frame(12, nest))


@pytest.mark.parametrize(
    "head",
    [
        "ffffffffffffffffffff",
        "043d0000000900000000",
        "043d0010000100000000",
        "003d0000000a00000000",
    ],
    ids=["reserved bits", "too short", "too long", "version 0"],
)
def test_what_cannot_begin_a_message(head: str) -> None:
    frames = Frames(1_048_576)
    frames.feed(bytes.fromhex(head))
    with pytest.raises(FormatError, match=head) as caught:
        frames.take()
    assert caught.value.raw == bytes.fromhex(head)
    assert caught.value.hint


def test_a_stream_is_cut_the_same_however_it_arrives() -> None:
    raw = b"".join(messages.KEEPALIVE().to_bytes(number) for number in range(5))
    for size in (1, 3, 10, 11, 50):
        frames, ids = Frames(1000), []
        for at in range(0, len(raw), size):
            frames.feed(raw[at : at + size])
            while (taken := frames.take()) is not None:
                ids.append(taken.message_id)
        assert ids == [0, 1, 2, 3, 4]


def settings(**changes: object) -> LlrpSettings:
    return LlrpSettings.model_validate({"host": "reader", **changes})


def test_our_rospec_stands_as_it_was_asked_for() -> None:
    wanted = settings(antennas=(1, 3), tx_power_index=40, session=2, report_every=4)
    sent = decode_message(encode(Send.ADD, 9, wanted, holds=True))
    assert isinstance(sent, messages.ADD_ROSPEC)
    [part] = sent.ro_spec.spec_parameters
    assert isinstance(part, params.AISpec)
    assert part.antenna_ids == [1, 3]
    [antenna] = part.inventory_parameter_specs[0].antenna_configurations
    assert antenna.rf_transmitter is not None
    assert antenna.rf_transmitter.transmit_power == 40
    singulation = antenna.air_protocol_inventory_command_settings[0].c1_g2_singulation_control
    assert singulation is not None
    assert singulation.session == 2
    assert sent.ro_spec.ro_report_spec is not None
    assert sent.ro_spec.ro_report_spec.n == 4


@pytest.mark.parametrize("state", [0, 1, 2])
def test_a_listed_rospec_is_compared_whatever_its_state(state: int) -> None:
    ours, other = rospec(settings(session=2)), rospec(settings(session=3))
    ours.current_state = other.current_state = state
    status = params.LLRPStatus()

    def listed(*rospecs: params.ROSpec) -> Listed:
        sent = messages.GET_ROSPECS_RESPONSE(llrp_status=status, ro_specs=list(rospecs))
        answer = decode(frame(36, sent.to_bytes(0)[10:]))
        assert isinstance(answer, Answer)
        return answer.listed(rospec(settings(session=2)))

    assert listed(ours) is [Listed.DISABLED, Listed.INACTIVE, Listed.RUNNING][state]
    assert listed(other) is Listed.OTHER
    assert listed(ours, other) is Listed.OTHER
    assert listed() is Listed.NONE


@pytest.mark.parametrize(
    ("holds", "away", "asked"), [(True, "hold", 1), (False, "hold", 0), (True, "drop", 0)]
)
def test_reports_are_held_where_asked_and_possible(holds: bool, away: str, asked: int) -> None:
    wanted = settings(while_away=away, keepalive_s=2.5)
    sent = decode_message(encode(Send.CONFIG, 1, wanted, holds=holds))
    assert isinstance(sent, messages.SET_READER_CONFIG)
    assert sent.events_and_reports is not None
    assert sent.events_and_reports.hold_events_and_reports_upon_reconnect == asked
    assert sent.keepalive_spec is not None
    assert sent.keepalive_spec.periodic_trigger_value == 2500
