"""From an OPC UA DataValue to a reading (OPC 10000-4 sections 7.11 and 7.39)."""

from __future__ import annotations

from typing import Final

from protocols.field.opcua.change import Change
from protocols.field.opcua.settings import OpcuaSignal
from protocols.wire.limits import VALUE_BYTES_MAX
from protocols.wire.reading import Doubt, Nanoseconds, Reading, SignalName, Status, is_plain, judge


def reading_of(
    signal: OpcuaSignal,
    change: Change,
    gateway_time: Nanoseconds,
    skew_max: Nanoseconds | None,
    *,
    initial: bool = False,
) -> Reading:
    """Return what the server sent for the signal, judged.

    ``initial`` says that it is the first value of a subscription: its source time tells when the
    value last changed, which may be long ago. It is believed where the server's own time, at
    which the server knew it to be so, is right.
    """
    _, value, raw, code, source_time, _ = change
    if (  # nearly all are so, and there is nothing to judge
        not code
        and not initial
        and type(value) not in _LONG
        and (
            source_time is None
            or (skew_max is not None and -skew_max <= source_time - gateway_time <= skew_max)
        )
        and is_plain(value, signal.kind)
    ):
        return _new(
            Reading, (signal.name, signal.kind, value, gateway_time, source_time, _GOOD, 0, b"")
        )
    source_time, skew_max = _source_time(change, gateway_time, skew_max, initial=initial)
    status = _SEVERITY[code >> 30]
    if isinstance(value, str | bytes) and _size(value) > VALUE_BYTES_MAX:
        raw, value = _octets(value)[:VALUE_BYTES_MAX], None
        if status is not Status.BAD:
            status, code = Status.BAD, Doubt.OUT_OF_RANGE
    return judge(
        signal=SignalName(signal.name),
        kind=signal.kind,
        value=value,
        gateway_time=gateway_time,
        source_time=source_time,
        status=status,
        code=code,
        raw=raw,
        skew_max=skew_max,
    )


def refused_reading(signal: OpcuaSignal, code: int, gateway_time: Nanoseconds) -> Reading:
    """Return the reading of a signal that the server refuses to observe, with its status code."""
    return judge(
        signal=SignalName(signal.name),
        kind=signal.kind,
        value=None,
        gateway_time=gateway_time,
        status=Status.BAD,
        code=code,
    )


_SEVERITY: Final = (Status.GOOD, Status.UNCERTAIN, Status.BAD, Status.BAD)  # the fourth is reserved

_GOOD: Final = Status.GOOD
_LONG: Final = (str, bytes)  # what may be over its bound
_new: Final = tuple.__new__  # what a named tuple's own call ends in, at a third of its cost

_INT64_MAX: Final = 2**63 - 1


def _source_time(
    change: Change,
    gateway_time: Nanoseconds,
    skew_max: Nanoseconds | None,
    *,
    initial: bool,
) -> tuple[Nanoseconds | None, Nanoseconds | None]:
    """Return the source time and how far it may stray."""
    source_time = change.source_time
    if source_time is None:
        return None, skew_max
    if abs(source_time) > _INT64_MAX:
        return _INT64_MAX, 0  # no clock is there, whatever our own says
    server_time = change.server_time
    if initial and skew_max is not None and source_time <= gateway_time and server_time is not None:
        known_lately = abs(server_time - gateway_time) <= skew_max
        return source_time, None if known_lately else skew_max
    return source_time, skew_max


def _octets(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode(errors="replace")


def _size(value: str | bytes) -> int:
    return len(_octets(value))
