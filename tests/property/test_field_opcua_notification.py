"""What is read by hand is what asyncua reads, for every body, sound or broken."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from protocols.field.opcua.change import Change, change_of
from protocols.field.opcua.notification import (
    Notification,
    read_publish,
    read_republish,
    usual_changes,
)

_START: Final = datetime(1601, 1, 1, tzinfo=UTC)


def integers(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    low = -(2 ** (bits - 1)) if signed else 0
    return st.integers(low, low + 2**bits - 1)


USUAL: Final[dict[ua.VariantType, st.SearchStrategy[Any]]] = {
    ua.VariantType.Boolean: st.booleans(),
    ua.VariantType.SByte: integers(8, signed=True),
    ua.VariantType.Byte: integers(8, signed=False),
    ua.VariantType.Int16: integers(16, signed=True),
    ua.VariantType.UInt16: integers(16, signed=False),
    ua.VariantType.Int32: integers(32, signed=True),
    ua.VariantType.UInt32: integers(32, signed=False),
    ua.VariantType.Int64: integers(64, signed=True),
    ua.VariantType.UInt64: integers(64, signed=False),
    ua.VariantType.Float: st.floats(width=32, allow_nan=False),
    ua.VariantType.Double: st.floats(allow_nan=False),
    ua.VariantType.String: st.text(max_size=20),
    ua.VariantType.ByteString: st.binary(max_size=20),
}
times = st.none() | st.integers(1, 10**17).map(
    lambda micros: _START + timedelta(microseconds=micros)
)


@st.composite
def values(draw: st.DrawFn) -> ua.DataValue:
    kind = draw(st.sampled_from(list(USUAL)))
    return ua.DataValue(
        ua.Variant(draw(USUAL[kind]), kind),
        StatusCode=draw(st.none() | integers(32, signed=False).map(ua.StatusCode)),
        SourceTimestamp=draw(times),
        ServerTimestamp=draw(times),
    )


unusual = st.sampled_from(
    [
        ua.DataValue(ua.Variant([1.0, 2.0], ua.VariantType.Double)),
        ua.DataValue(ua.Variant(ua.LocalizedText("offen", "de"), ua.VariantType.LocalizedText)),
        ua.DataValue(ua.Variant(datetime(2026, 11, 22, tzinfo=UTC), ua.VariantType.DateTime)),
        ua.DataValue(StatusCode=ua.StatusCode(0x80340000)),
        ua.DataValue(
            ua.Variant(1.0, ua.VariantType.Double),
            SourceTimestamp=datetime(2026, 11, 22, tzinfo=UTC),
            SourcePicoseconds=7,
        ),
    ]
)


def notified(items: list[ua.DataValue]) -> ua.DataChangeNotification:
    return ua.DataChangeNotification(
        MonitoredItems=[
            ua.MonitoredItemNotification(ClientHandle=handle, Value=value)
            for handle, value in enumerate(items)
        ]
    )


def octets_of(notification: ua.DataChangeNotification) -> bytes:
    return bytes(struct_to_binary(notification))


def by_asyncua(body: bytes) -> tuple[Change, ...]:
    items = struct_from_binary(ua.DataChangeNotification, Buffer(body)).MonitoredItems
    return tuple(change_of(int(item.ClientHandle), item.Value) for item in items)


def to_micros(change: Change) -> Change:
    """Cut the times as asyncua does: it has no more than microseconds, until the year 9999."""
    return change._replace(
        source_time=_cut(change.source_time), server_time=_cut(change.server_time)
    )


def _cut(time: int | None) -> int | None:
    return None if time is None else min(time // 1000 * 1000, 2**63)


@given(st.lists(values(), max_size=8))
def test_usual_values_are_read_by_hand_as_asyncua_reads_them(items: list[ua.DataValue]) -> None:
    body = octets_of(notified(items))
    changes = usual_changes(body)
    assert changes is not None
    assert list(map(to_micros, changes)) == list(map(to_micros, by_asyncua(body)))


@given(st.lists(values(), max_size=3), unusual, st.lists(values(), max_size=3))
def test_a_body_with_anything_else_is_left_to_asyncua(
    before: list[ua.DataValue], odd: ua.DataValue, after: list[ua.DataValue]
) -> None:
    assert usual_changes(octets_of(notified([*before, odd, *after]))) is None


@given(st.lists(values(), min_size=1, max_size=4), st.data())
def test_of_broken_octets_nothing_is_read_that_asyncua_does_not_read(
    items: list[ua.DataValue], data: st.DataObject
) -> None:
    body = bytearray(octets_of(notified(items)))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    broken = bytes(body[: data.draw(st.integers(0, len(body)))])
    changes = usual_changes(broken)
    if changes is not None:
        # NaN is not equal to itself, so both are compared as they are written.
        assert repr(list(map(to_micros, changes))) == repr(list(map(to_micros, by_asyncua(broken))))


def test_times_keep_their_tenth_of_a_microsecond() -> None:
    ticks = 116_444_736_000_000_000 + 12_345_678_901_234_567
    body = struct.pack("<iI2xdqi", 1, 7, 2.5, ticks, -1)
    shaped = body[:8] + b"\x05\x0b" + body[10:]  # value and source time; a Double
    assert usual_changes(shaped) == (Change(7, 2.5, b"", 0, 1_234_567_890_123_456_700, None),)


@pytest.mark.parametrize("items", [[], [1.0], [1.0, "long" * 100], [[1.0, 2.0], 3]])
def test_a_message_is_read_whole(items: list[Any]) -> None:
    """The answer that asyncua's own server would send, with all that stands around the values."""
    kinds = {float: ua.VariantType.Double, str: ua.VariantType.String, int: ua.VariantType.Int32}
    change = notified([ua.DataValue(ua.Variant(each, kinds.get(type(each)))) for each in items])
    ended = ua.StatusChangeNotification(Status=ua.StatusCode(ua.UInt32(0x800A0000)))
    message = ua.NotificationMessage(SequenceNumber=41, NotificationData=[change, ended])
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = 5
    response.Parameters.AvailableSequenceNumbers = [40, 41]
    response.Parameters.NotificationMessage = message
    whole = Notification(
        number=41,
        is_keepalive=False,
        changes=by_asyncua(octets_of(change)),
        ended=0x800A0000,
    )
    published = read_publish(Buffer(bytes(struct_to_binary(response))))
    assert (published.subscription, published.notification) == (5, whole)
    again = ua.RepublishResponse(NotificationMessage=message)
    assert read_republish(Buffer(bytes(struct_to_binary(again)))) == whole


def test_a_keepalive_and_a_bad_result_are_told_apart() -> None:
    response = ua.PublishResponse()
    response.Parameters.NotificationMessage.SequenceNumber = 9
    octets = bytes(struct_to_binary(response))
    assert read_publish(Buffer(octets)).notification == Notification(number=9, is_keepalive=True)
    response.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadTimeout))
    with pytest.raises(ua.UaStatusCodeError):
        read_publish(Buffer(bytes(struct_to_binary(response))))
