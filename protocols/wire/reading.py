"""One observed value of a signal, and the gaps where there is none.

Words as in OPC 10000-4 section 7.11 (DataValue): a reading has a value, a status and its times.
Times are integers: nanoseconds since 1970-01-01T00:00:00Z, without leap seconds.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple, NewType, TypeGuard

SignalName = NewType("SignalName", str)
"""A signal's name, unique in its gateway, for example ``press-1/plate-temperature``."""

Nanoseconds = int
"""Nanoseconds since the Unix epoch, UTC."""

SECOND: Final = 1_000_000_000
WHOLE_GATEWAY: Final = "*"
"""The subject of a gap that is every signal's."""


class Status(IntEnum):
    """How far a value may be trusted; the severity of OPC 10000-4 section 7.39."""

    GOOD = 0  # the source vouches for it, and nothing that we can check speaks against it
    UNCERTAIN = 1  # usable with a doubt that a person must judge
    BAD = 2  # no valid value; what the source sent is kept in ``raw``


class Kind(IntEnum):
    """What a signal's values are; the number stands on the wire."""

    BOOL = 0  # true or false
    INT = 1  # signed, 64 bits
    UINT = 2  # unsigned, 64 bits
    FLOAT32 = 3  # IEEE 754 binary32, as the source gave it
    FLOAT64 = 4  # IEEE 754 binary64
    TEXT = 5  # UTF-8
    BYTES = 6  # octets
    TAG_READ = 7  # one RFID observation

    __hash__ = int.__hash__  # an enum's own is of its name, and slow: each reading is asked for it


class Doubt(IntEnum):
    """Why we, not the source, lowered a status; negative, so no source's code is the same."""

    NOT_FINITE = -1  # NaN or infinity
    WRONG_TYPE = -2  # not the type that the signal declares
    OUT_OF_RANGE = -3  # does not fit the declared width
    IMPOSSIBLE_TIME = -4  # source time too far from the gateway's clock
    NO_VALUE = -5  # the source answered without a value
    NO_ANSWER = -6  # the source did not answer for this signal
    REFUSED = -7  # the source refused this signal (its own code is kept in ``raw``)
    TORN = -8  # the source updated the value while it was read: its parts may not belong together


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRead:
    """One RFID observation (LLRP 1.1 section 14.2.3, TagReportData)."""

    epc: bytes  # left-aligned, padded with zero bits to whole octets
    epc_bits: int  # length of the EPC in bits; odd lengths survive
    antenna: int  # 1 and up; 0 where the reader did not say
    rssi: int  # hundredths of dBm
    first_seen: Nanoseconds  # reader's clock
    last_seen: Nanoseconds  # reader's clock
    count: int  # how often seen in [first_seen, last_seen]


Value = bool | int | float | str | bytes | TagRead


class Reading(NamedTuple):
    """One observed value of a signal: value, status and times.

    A named tuple, since an agent makes thousands a second and a frozen dataclass costs seven times
    as much to make (docs/validation/benchmarks.md).
    """

    signal: SignalName
    kind: Kind
    value: Value | None  # None only where there is no valid value
    gateway_time: Nanoseconds
    source_time: Nanoseconds | None = None  # None where the source gives none
    status: Status = Status.GOOD
    code: int = 0  # the source's own code; a negative one is a Doubt
    raw: bytes = b""  # what the source sent, kept where ``value`` cannot hold it


class GapReason(IntEnum):
    """Why readings are missing; the number stands on the wire."""

    SOURCE_DOWN = 0  # the equipment or its link did not answer
    DISK_FULL = 1  # the gateway's buffer was at its cap
    REFUSED = 2  # readings came that could not be kept (over a limit, malformed)
    SETTINGS_CHANGE = 3  # collection paused to take new settings
    MAINTENANCE = 4  # a person announced it
    AGENT_STOPPED = 5  # the agent was not running
    SUBSCRIPTION_LOST = 6  # the equipment dropped what it had queued for us
    OVERRUN = 7  # the line was slower than the equipment; a bounded queue was full
    UNREADABLE = 8  # they were sealed, and the gateway's disk did not give them back
    BACKFILLED = 9  # no gap: what was declared missing came later, from what the equipment kept


MENDABLE: Final = frozenset(
    (
        GapReason.SOURCE_DOWN,
        GapReason.AGENT_STOPPED,
        GapReason.SUBSCRIPTION_LOST,
        GapReason.OVERRUN,
    )
)
"""The reasons of gaps that a later BACKFILLED takes back (docs/specs/bundle.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A declared absence of readings: nothing is dropped in silence.

    With the reason BACKFILLED it takes such a declaration back, for the time that it names.
    """

    subject: str  # a signal's or a source's name; "*" for the whole gateway
    start: Nanoseconds  # gateway time
    end: Nanoseconds  # gateway time, at or after start
    reason: GapReason
    count: int | None = None  # readings missing, where known


def judge(
    *,
    signal: SignalName,
    kind: Kind,
    value: object,
    gateway_time: Nanoseconds,
    source_time: Nanoseconds | None = None,
    status: Status = Status.GOOD,
    code: int = 0,
    raw: bytes = b"",
    skew_max: Nanoseconds | None = None,
) -> Reading:
    """Make a reading of what a source sent, never more trusting than the source and our own eyes.

    NaN, infinity, a wrong type or a value outside its width becomes BAD with its raw form kept;
    a source time further than ``skew_max`` nanoseconds from ``gateway_time`` (None: not judged)
    becomes UNCERTAIN. The source's own code is kept where it had lowered the status itself; an
    impossible time of such a reading is moved into ``raw``, so that it places the reading nowhere.
    """
    kept, doubt = (value, None) if is_plain(value, kind) else _fit(kind, value)
    if doubt is not None:
        status, code = Status.BAD, code if status is not Status.GOOD else doubt
        raw = raw or _raw(value)
    if (
        source_time is not None
        and skew_max is not None
        and not -skew_max <= source_time - gateway_time <= skew_max
    ):
        if status is Status.GOOD:
            status, code = Status.UNCERTAIN, Doubt.IMPOSSIBLE_TIME
        else:
            raw += b"; source_time=%d" % source_time
            source_time = None
    return Reading(signal, kind, kept, gateway_time, source_time, status, int(code), raw)


def is_plain(value: Any, kind: Kind) -> TypeGuard[Value]:
    """Tell whether the value is of the very type that its kind holds: the usual case, quickly."""
    given = type(value)
    if given is float:
        return kind is _FLOAT64 and math.isfinite(value)
    if given is int:
        bounds = _INT_BOUNDS.get(kind)
        return bounds is not None and bounds[0] <= value <= bounds[1]
    return given is _TYPES.get(kind)


_FLOAT64: Final = Kind.FLOAT64  # a member is slow to find by its name
_INT_BOUNDS: Final = {Kind.INT: (-(2**63), 2**63 - 1), Kind.UINT: (0, 2**64 - 1)}
_FLOATS: Final = (Kind.FLOAT32, Kind.FLOAT64)
_HELD: Final = (bool, str, bytes, TagRead)
_TYPES: Final[dict[Kind, type]] = {
    Kind.BOOL: bool,
    Kind.TEXT: str,
    Kind.BYTES: bytes,
    Kind.TAG_READ: TagRead,
}


def _fit(kind: Kind, value: object) -> tuple[Value | None, Doubt | None]:
    """Return the value as its kind holds it, or None and why it does not fit."""
    if value is None:
        return None, Doubt.NO_VALUE
    if isinstance(value, bool) is not (kind is Kind.BOOL):
        return None, Doubt.WRONG_TYPE  # Python's bool is an int; a signal's is not
    if isinstance(value, int | float) and kind in _FLOATS:
        return _fit_float(kind, value)
    if isinstance(value, int) and kind in _INT_BOUNDS:
        low, high = _INT_BOUNDS[kind]
        return (value, None) if low <= value <= high else (None, Doubt.OUT_OF_RANGE)
    if isinstance(value, _HELD) and type(value) is _TYPES.get(kind):
        return value, None
    return None, Doubt.WRONG_TYPE


def _fit_float(kind: Kind, value: float) -> tuple[float | None, Doubt | None]:
    try:
        number = float(value)
        if kind is Kind.FLOAT32:
            number = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return None, Doubt.OUT_OF_RANGE
    return (number, None) if math.isfinite(number) else (None, Doubt.NOT_FINITE)


def _raw(value: object) -> bytes:
    """Return bytes from which a person can tell what came; a float keeps its bits."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, float):
        return struct.pack(">d", value)
    return b"" if value is None else repr(value).encode()
