"""Notification messages of a subscription: the usual ones read by hand, all others by asyncua.

A client spends most of its time on decoding values, and nearly all of them have one of a few
shapes: a number with its status and times. Those are read here with one struct each, many times
faster than by a general decoder (OPC 10000-6 sections 5.2.2.16 and 5.2.2.17, OPC 10000-4 sections
5.14.5 and 7.25.2). A body that holds anything else is left to asyncua as a whole: nothing here has
to know all of OPC UA, and both give the same changes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import (
    extensionobject_from_binary,
    nodeid_from_binary,
    struct_from_binary,
)

from protocols.field.opcua.change import Change, change_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A notification message."""

    number: int  # its sequence number; of a keep-alive, the one that the next message will have
    is_keepalive: bool
    changes: tuple[Change, ...] = ()
    events: tuple[Event, ...] = ()
    ended: int | None = None  # status code with which the server ended the subscription


class Event(NamedTuple):
    """An event that a monitored object reported."""

    handle: int  # of the monitored item
    fields: tuple[ua.Variant, ...]  # those that were selected, in their order


class Published(NamedTuple):
    """The answer to a publish request."""

    subscription: int
    notification: Notification


def read_publish(data: Buffer) -> Published:
    """Return what a PublishResponse holds.

    Raises UaStatusCodeError for a bad result, and whatever a decoder may raise for octets that make
    no sense.
    """
    _check_result(data)
    subscription, available = _SUBSCRIPTION.unpack(data.read(_SUBSCRIPTION.size))
    data.skip(4 * max(available, 0) + 1)  # the numbers that may be had again, MoreNotifications
    return Published(subscription, _message(data))


def read_republish(data: Buffer) -> Notification:
    """Return what a RepublishResponse holds; raises as ``read_publish`` does."""
    _check_result(data)
    return _message(data)


def usual_changes(body: bytes) -> tuple[Change, ...] | None:
    """Return the changes in the body of a DataChangeNotification; None where asyncua must read."""
    try:
        (count,) = _INT32.unpack_from(body)
        alike = _alike(body, count)
        changes, at = alike if alike is not None else _one_by_one(body, count)
        (diagnostics,) = _INT32.unpack_from(body, at)
    except (struct.error, _UnusualError):
        return None
    whole = count >= 0 and diagnostics <= 0 and at + _INT32.size == len(body)
    return tuple(changes) if whole else None


class _UnusualError(Exception):
    """An item has a shape that is not read by hand."""


def _alike(body: bytes, count: int) -> tuple[list[Change], int] | None:
    """Read numbers that all have one shape, as those of one kind of signal have, at once.

    Returns the changes and where what follows begins; None where the items differ.
    """
    start = _INT32.size
    shape = _NUMBERS.get(body[start + 4 : start + 6])
    if shape is None or count < 1:
        return None
    end = start + count * shape.size
    if end > len(body):
        return None
    for at in (start + 4, start + 5):
        if body[at : end : shape.size] != body[at : at + 1] * count:
            return None
    return _changes(shape, shape.layout.iter_unpack(body[start:end])), end


def _one_by_one(body: bytes, count: int) -> tuple[list[Change], int]:
    """Read items of any usual shape; the changes, and where what follows begins."""
    changes: list[Change] = []
    at = _INT32.size
    for _ in range(count):
        shape = _NUMBERS.get(body[at + 4 : at + 6])
        if shape is None:
            change, at = _read_text(body, at)
            changes.append(change)
        else:
            changes += _changes(shape, (shape.layout.unpack_from(body, at),))
            at += shape.size
    return changes, at


class _Shape(NamedTuple):
    """How a monitored item's value stands in octets, and where each part is once unpacked."""

    layout: struct.Struct  # handle, value, and what there is of the rest
    size: int
    code: int  # index of the status code; 0: there is none
    source: int  # of the source time
    server: int  # of the server time


def _shape(value: str, mask: int) -> _Shape:
    """Return the shape of an item with this value in the notation of struct."""
    form, count, where = value, 2, [0, 0, 0]
    for at, (bit, part) in enumerate(_PARTS):
        if mask & bit:
            form, where[at], count = form + part, count, count + 1
    layout = struct.Struct(form)
    return _Shape(layout, layout.size, *where)


def _changes(shape: _Shape, rows: Iterable[tuple[Any, ...]]) -> list[Change]:
    """Return a change a row; no function is called for one of them, since there are so many."""
    _, _, code, source, server = shape
    return [
        _new(
            Change,
            (
                row[0],
                row[1],
                b"",
                row[code] if code else 0,
                (row[source] - _TICKS_1970) * 100 if source and row[source] >= _TICKS_MIN else None,
                (row[server] - _TICKS_1970) * 100 if server and row[server] >= _TICKS_MIN else None,
            ),
        )
        for row in rows
    ]


def _read_text(body: bytes, at: int) -> tuple[Change, int]:
    """Read an item whose value is text or octets: the change, and where what follows begins."""
    handle, mask, kind, length = _TEXT.unpack_from(body, at)
    shape = _TAILS.get(mask)
    if shape is None or kind not in (_STRING, _BYTE_STRING) or length < -1:
        raise _UnusualError
    start = at + _TEXT.size
    octets = body[start : start + max(length, 0)]
    value: object = octets if kind == _BYTE_STRING else octets.decode(errors="surrogateescape")
    end = start + len(octets)
    if len(octets) < length:
        raise _UnusualError
    row = (handle, None if length < 0 else value, *shape.layout.unpack_from(body, end))
    return _changes(shape, (row,))[0], end + shape.size


def _check_result(data: Buffer) -> None:
    nodeid_from_binary(data)
    struct_from_binary(ua.ResponseHeader, data).ServiceResult.check()


def _message(data: Buffer) -> Notification:
    octets = data.read(len(data))
    number, count = _MESSAGE.unpack_from(octets)
    changes: list[Change] = []
    events: list[Event] = []
    ended = None
    at = _MESSAGE.size
    for _ in range(count):
        kind, length = _EXTENSION.unpack_from(octets, at)
        body = at + _EXTENSION.size
        if kind == _DATA_CHANGE and 0 < length <= len(octets) - body:
            usual = usual_changes(octets[body : body + length])
            if usual is not None:
                changes += usual
                at = body + length
                continue
        rest = Buffer(octets, at)
        part = extensionobject_from_binary(rest)
        at = len(octets) - len(rest)
        if isinstance(part, ua.DataChangeNotification):
            changes += [
                change_of(int(each.ClientHandle), each.Value) for each in part.MonitoredItems
            ]
        elif isinstance(part, ua.EventNotificationList):
            events += [
                Event(int(each.ClientHandle), tuple(each.EventFields)) for each in part.Events
            ]
        elif isinstance(part, ua.StatusChangeNotification):
            ended = int(part.Status.value)
    return Notification(
        number=number,
        is_keepalive=count <= 0,
        changes=tuple(changes),
        events=tuple(events),
        ended=ended,
    )


_INT32: Final = struct.Struct("<i")
_SUBSCRIPTION: Final = struct.Struct("<Ii")  # its number, how many messages may be had again
_MESSAGE: Final = struct.Struct("<I8xi")  # number, when it was sent, how many notifications
_EXTENSION: Final = struct.Struct("<5si")  # NodeId of the encoding with its flag, length
_DATA_CHANGE: Final = bytes((1, 0, *(811).to_bytes(2, "little"), 1))  # four-byte NodeId, ByteString
_TEXT: Final = struct.Struct("<IBBi")  # handle, mask, type, length

_STRING: Final = 12
_BYTE_STRING: Final = 15
_VALUE: Final = 0x01
_PARTS: Final = ((0x02, "I"), (0x04, "q"), (0x08, "q"))  # status code, source time, server time
_MASKS: Final = tuple(_VALUE | rest for rest in range(0, 0x10, 2))  # those without picoseconds
_NUMBERS: Final = {
    bytes((mask, kind)): _shape(f"<I2x{form}", mask)
    for mask in _MASKS
    for kind, form in enumerate("?bBhHiIqQfd", start=1)  # Boolean to Double, by their numbers
}
_TAILS: Final = {mask: _shape("<", mask) for mask in _MASKS}

_new: Final = tuple.__new__  # what a named tuple's own call ends in, at a third of its cost
_TICKS_1970: Final = 116_444_736_000_000_000  # of 100 ns since 1601-01-01
_TICKS_MIN: Final = 10  # below it: no time was given
