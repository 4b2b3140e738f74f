"""What a message says of the signals: readings, gaps, and whom to ask for a birth."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import IntEnum
from typing import Any, Final

from protocols.field.driver import FieldClock
from protocols.field.mqtt.path import Absent, find, parse_path
from protocols.field.mqtt.settings import Format, MqttSignal
from protocols.wire.limits import VALUE_BYTES_MAX
from protocols.wire.reading import (
    SECOND,
    Doubt,
    Gap,
    Kind,
    Nanoseconds,
    Reading,
    SignalName,
    Status,
    judge,
)

__all__ = ["Documents", "Message", "MessageCode", "Said", "bad", "code_name", "reading"]


class MessageCode(IntEnum):
    """Why a value is doubted, beyond Sparkplug's own qualities (0 bad, 500 stale)."""

    RETAINED = 1001  # the broker kept it, nobody says for how long
    NOT_READ = 1002  # no JSON, or no Sparkplug
    TOO_LONG = 1003
    NO_TIME = 1004  # its time is not there or none
    DEAD = 1005  # the node or device said that it is gone
    TYPE = 1006  # a Sparkplug type that holds no single value
    QUALITY = 1007  # the node says that it is bad


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it came."""

    topic: str
    payload: bytes
    retained: bool = False


@dataclass(slots=True, kw_only=True)
class Said:
    """What messages said."""

    readings: list[Reading] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    rebirths: list[str] = field(default_factory=list)  # GROUP/NODE


class Documents:
    """Reads JSON and plain payloads."""

    def __init__(self, signals: Iterable[MqttSignal], clock: FieldClock) -> None:
        self._clock = clock
        self._signals: dict[str, list[_Place]] = {}
        for signal in signals:
            place = _Place(signal, parse_path(signal.path), parse_path(signal.time_path))
            self._signals.setdefault(signal.topic, []).append(place)

    @property
    def topics(self) -> Sequence[str]:
        """What is to be subscribed to."""
        return tuple(self._signals)

    def read(self, message: Message, said: Said) -> None:
        """Add what a message says; one that cannot be read is BAD for all that it is about."""
        places = self._signals.get(message.topic, ())
        document: Any = _NOTHING
        if any(place.signal.format is Format.JSON for place in places):
            try:
                document = json.loads(message.payload)
            except (ValueError, RecursionError):
                document = _NOTHING
        for place in places:
            if place.signal.format is Format.PLAIN:
                said.readings.append(self._plain(place.signal, message))
            elif document is _NOTHING:
                said.readings.append(
                    bad(place.signal, self._clock, MessageCode.NOT_READ, message.payload)
                )
            else:
                said.readings += self._at(place, document, message)

    def too_long(self, topic: str, payload: bytes, said: Said) -> None:
        """Add that a payload was longer than is read."""
        for place in self._signals.get(topic, ()):
            said.readings.append(bad(place.signal, self._clock, MessageCode.TOO_LONG, payload))

    def _plain(self, signal: MqttSignal, message: Message) -> Reading:
        value: object = message.payload
        if signal.kind is Kind.TEXT:
            try:
                value = message.payload.decode()
            except UnicodeDecodeError:
                return bad(signal, self._clock, MessageCode.NOT_READ, message.payload)
        return reading(signal, value, self._clock, retained=message.retained)

    def _at(self, place: _Place, document: Any, message: Message) -> Iterator[Reading]:
        signal = place.signal
        try:
            value = find(document, place.path)
        except Absent:
            if not signal.optional:
                yield bad(signal, self._clock, Doubt.NO_VALUE, message.payload)
            return
        time: Nanoseconds | None = None
        code = 0
        if signal.time_path:
            try:
                time = _time(find(document, place.time_path), signal.time_unit)
            except (Absent, ValueError, InvalidOperation, OverflowError):
                code = MessageCode.NO_TIME
        if isinstance(value, dict | list):
            yield bad(signal, self._clock, Doubt.WRONG_TYPE, json.dumps(value).encode())
            return
        if signal.kind in (Kind.FLOAT32, Kind.FLOAT64) and type(value) is int:
            value = _as_float(value)  # JSON does not tell 20 from 20.0
        yield reading(signal, value, self._clock, time=time, code=code, retained=message.retained)


def reading(
    signal: MqttSignal,
    value: object,
    clock: FieldClock,
    *,
    time: Nanoseconds | None = None,
    code: int = 0,
    retained: bool = False,
    historical: bool = False,
) -> Reading:
    """Return a value as a reading; ``code`` makes it UNCERTAIN, None makes it BAD.

    What the broker retained without a time may be of any age, and is UNCERTAIN.
    """
    if retained and time is None:
        code = code or MessageCode.RETAINED
    status = Status.UNCERTAIN if code else Status.GOOD
    if value is None:
        status, code = Status.BAD, code or Doubt.NO_VALUE
    return judge(
        signal=SignalName(signal.name),
        kind=signal.kind,
        value=value,
        gateway_time=clock.gateway_time(),
        source_time=time,
        status=status,
        code=code,
        skew_max=None if historical else clock.skew_max(),
    )


def bad(signal: MqttSignal, clock: FieldClock, code: int, raw: bytes) -> Reading:
    """Return that there is no valid value, and what came in its place."""
    return judge(
        signal=SignalName(signal.name),
        kind=signal.kind,
        value=None,
        gateway_time=clock.gateway_time(),
        status=Status.BAD,
        code=code,
        raw=raw[:VALUE_BYTES_MAX],
    )


def code_name(code: int) -> str:
    """Return the name of a code as a person looks it up."""
    names = {each.value: each.name for each in MessageCode} | {500: "STALE", 192: "GOOD"}
    return names.get(code) or str(code)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a signal is in the documents of its topic."""

    signal: MqttSignal
    path: tuple[str | int, ...]
    time_path: tuple[str | int, ...]


def _as_float(value: int) -> object:
    try:
        return float(value)
    except OverflowError:
        return value  # out of range, which the reading will say


def _time(value: Any, unit: str) -> Nanoseconds:
    """Return nanoseconds since 1970; ValueError where it is no time that the wire holds."""
    if unit != "iso":
        counted = Decimal(str(value)) * _UNITS[unit]
        if not 0 <= counted < _TIME_MAX:
            raise ValueError(value)
        return int(counted)
    when = datetime.fromisoformat(str(value))
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return (when - _EPOCH) // timedelta(microseconds=1) * 1000


_NOTHING: Final = object()
_UNITS: Final = {"s": SECOND, "ms": 1_000_000, "us": 1000, "ns": 1}
_TIME_MAX: Final = 2**63
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
