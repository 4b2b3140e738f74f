"""A column: the readings of one signal in one bundle, as typed arrays (RFC 8746).

A column is the CBOR array ``[signal, kind, count, gateway times, source times, values, absent,
statuses, raws]`` (docs/specs/bundle.md). Times are ``[first, step, deltas]``: the first time and
the differences from reading to reading in units of ``step`` nanoseconds. Readings of one signal
with and without a source time stand in two columns.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import gcd, isfinite
from typing import Final, NamedTuple, TypeAlias, TypeVar, cast

from protocols.wire import cbor
from protocols.wire.errors import LimitError, MalformedError
from protocols.wire.limits import (
    READINGS_PER_BUNDLE_MAX,
    SIGNAL_NAME_BYTES_MAX,
    VALUE_BYTES_MAX,
)
from protocols.wire.reading import Kind, Reading, SignalName, Status, TagRead, Value

T = TypeVar("T", str, bytes)
Numbers: TypeAlias = "array[int] | array[float]"


class Run(NamedTuple):
    """So many readings in a row of one status and code."""

    length: int
    status: Status
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TagReads:
    """The values of a column of tag reads, one array a field (see ``TagRead``)."""

    epcs: list[bytes]
    epc_bits: array[int]
    antennas: array[int]
    rssis: array[int]
    first_seen: array[int]
    last_seen: array[int]
    counts: array[int]

    def __len__(self) -> int:
        return len(self.epcs)

    def __getitem__(self, index: int) -> TagRead:
        return TagRead(
            epc=self.epcs[index],
            epc_bits=self.epc_bits[index],
            antenna=self.antennas[index],
            rssi=self.rssis[index],
            first_seen=self.first_seen[index],
            last_seen=self.last_seen[index],
            count=self.counts[index],
        )


Values: TypeAlias = "Numbers | list[str] | list[bytes] | TagReads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The readings of one signal in one bundle, in the order in which they came.

    ``values`` holds only what is there: the readings at the positions in ``absent`` have none.
    """

    signal: SignalName
    kind: Kind
    gateway_times: array[int]  # nanoseconds, one a reading
    source_times: array[int] | None  # nanoseconds, one a reading; None where the source gives none
    values: Values
    absent: frozenset[int]
    statuses: tuple[Run, ...]  # empty: all GOOD with code 0
    raws: dict[int, bytes]  # position -> what the source sent

    def __len__(self) -> int:
        return len(self.gateway_times)

    def readings(self) -> Iterator[Reading]:
        """Yield the readings in order."""
        runs = self.statuses or (Run(len(self), Status.GOOD, 0),)
        states = ((run.status, run.code) for run in runs for _ in range(run.length))
        present = 0
        for position, (gateway_time, (status, code)) in enumerate(
            zip(self.gateway_times, states, strict=True)
        ):
            value: Value | None = None
            if position not in self.absent:
                value = self.values[present]
                present += 1
            yield Reading(
                signal=self.signal,
                kind=self.kind,
                value=bool(value) if self.kind is Kind.BOOL and value is not None else value,
                gateway_time=gateway_time,
                source_time=None if self.source_times is None else self.source_times[position],
                status=status,
                code=code,
                raw=self.raws.get(position, b""),
            )


def encode_columns(readings: Iterable[Reading]) -> list[bytes]:
    """Return the columns of ``readings``, by the order in which their signals first appear."""
    groups: dict[tuple[str, Kind, bool], list[Reading]] = {}
    for reading in readings:
        key = (reading.signal, reading.kind, reading.source_time is None)
        groups.setdefault(key, []).append(reading)
    return [encode_column(group) for group in groups.values()]


def encode_column(readings: Sequence[Reading]) -> bytes:
    """Return the column of ``readings``: one signal and kind, with source times or without.

    Raises LimitError for a name or a value over its bound.
    """
    first = readings[0]
    if not is_signal_name(first.signal):
        raise LimitError(f"{first.signal[:40]!r} is not the name of a signal")
    values = [reading.value for reading in readings if reading.value is not None]
    absent = [at for at, reading in enumerate(readings) if reading.value is None]
    raws = {at: reading.raw for at, reading in enumerate(readings) if reading.raw}
    if any(len(raw) > VALUE_BYTES_MAX for raw in raws.values()):
        raise LimitError(f"a raw value of {first.signal!r} is over {VALUE_BYTES_MAX} bytes")
    sources = None
    if first.source_time is not None:
        sources = _times([cast(int, reading.source_time) for reading in readings])
    fields: list[cbor.Item] = [
        first.signal,
        int(first.kind),
        len(readings),
        _times([reading.gateway_time for reading in readings]),
        sources,
        _values(first.kind, values),
        _integers(absent) if absent else None,
        _runs(readings),
        raws or None,
    ]
    return cbor.encode(fields)


def decode_column(data: bytes) -> Column:
    """Return the column that ``data`` is; MalformedError or LimitError if it is none."""
    match cbor.decode(data, booleans=False):
        case [
            str(signal),
            int(kind),
            int(count),
            list(gateway),
            source,
            values,
            absent,
            statuses,
            raws,
        ]:
            pass
        case _:
            raise MalformedError("a column is not the array of nine that it must be")
    if not is_signal_name(signal) or kind not in _KINDS:
        raise MalformedError("a column has no signal name or an unknown kind")
    if not 0 < count <= READINGS_PER_BUNDLE_MAX:
        raise LimitError(f"a column claims {count} readings")
    missing = _positions(absent, count)
    return Column(
        signal=SignalName(signal),
        kind=Kind(kind),
        gateway_times=_read_times(gateway, count),
        source_times=None if source is None else _read_times(source, count),
        values=_read_values(Kind(kind), values, count - len(missing)),
        absent=missing,
        statuses=_read_runs(statuses, count),
        raws=_read_raws(raws, count),
    )


def is_signal_name(text: str) -> bool:
    """Tell whether ``text`` may name a signal: not empty, not too long, nothing unprintable."""
    return text.isprintable() and 0 < len(text.encode()) <= SIGNAL_NAME_BYTES_MAX


_KINDS: Final = frozenset(int(kind) for kind in Kind)
_INTEGER_CODES: Final = (  # (tag of RFC 8746, array type code, lowest, highest), narrowest first
    (64, "B", 0, 2**8 - 1),
    (72, "b", -(2**7), 2**7 - 1),
    (69, "H", 0, 2**16 - 1),
    (77, "h", -(2**15), 2**15 - 1),
    (70, "I", 0, 2**32 - 1),
    (78, "i", -(2**31), 2**31 - 1),
    (71, "Q", 0, 2**64 - 1),
    (79, "q", -(2**63), 2**63 - 1),
)
_CODES: Final = {tag: code for tag, code, _, _ in _INTEGER_CODES} | {85: "f", 86: "d"}
_FLOAT_TAGS: Final = {Kind.FLOAT32: 85, Kind.FLOAT64: 86}
_STEPS: Final = (1_000_000_000, 1_000_000, 1_000, 100, 1)


def _typed(tag: int, numbers: Numbers) -> cbor.Tagged:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return cbor.Tagged(tag, numbers.tobytes())


def _integers(numbers: Sequence[int]) -> cbor.Tagged:
    """Return the narrowest typed array that holds ``numbers``, unsigned where it can be."""
    low, high = (min(numbers), max(numbers)) if numbers else (0, 0)
    for tag, code, lowest, highest in _INTEGER_CODES:
        if lowest <= low and high <= highest:
            return _typed(tag, array(code, numbers))
    raise LimitError("an integer is wider than 64 bits")


def _read_numbers(item: object, tags: frozenset[int]) -> Numbers:
    if type(item) is not cbor.Tagged or item.tag not in tags:
        raise MalformedError("a typed array of the right type is missing in a column")
    numbers: Numbers = array(_CODES[item.tag])
    data = cast(bytes, item.content)  # the decoder gives a typed array no other content
    if len(data) % numbers.itemsize:
        raise MalformedError("a typed array's bytes are not whole numbers")
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


_INTEGER_TAGS: Final = frozenset(tag for tag, _, _, _ in _INTEGER_CODES)


def _read_integers(item: object, count: int) -> array[int]:
    numbers = cast("array[int]", _read_numbers(item, _INTEGER_TAGS))
    if len(numbers) != count:
        raise MalformedError(f"a typed array has {len(numbers)} numbers where {count} belong")
    return numbers


def _times(times: Sequence[int]) -> list[cbor.Item]:
    deltas = [later - earlier for earlier, later in pairwise(times)]
    common = gcd(*deltas)
    step = next(step for step in _STEPS if common % step == 0)
    return [times[0], step, _integers([delta // step for delta in deltas])]


def _read_times(item: object, count: int) -> array[int]:
    match item:
        case [int(first), int(step), deltas] if step in _STEPS:
            pass
        case _:
            raise MalformedError("a column's times are not [first, step, deltas]")
    steps = _read_integers(deltas, count - 1)
    try:
        if step == 1:
            return array("q", accumulate(steps, initial=first))
        return array("q", accumulate((delta * step for delta in steps), initial=first))
    except OverflowError:
        raise MalformedError("a time is outside 64 bits") from None


def _values(kind: Kind, values: Sequence[Value]) -> cbor.Item:
    if kind in _FLOAT_TAGS:
        tag = _FLOAT_TAGS[kind]
        return _typed(tag, array(_CODES[tag], cast("Sequence[float]", values)))
    if kind is Kind.TEXT or kind is Kind.BYTES:
        if any(len(value) > VALUE_BYTES_MAX for value in cast("Sequence[str | bytes]", values)):
            raise LimitError(f"a value is over {VALUE_BYTES_MAX} long")
        return cast("cbor.Item", list(values))
    if kind is Kind.TAG_READ:
        reads = cast("Sequence[TagRead]", values)
        return [
            [read.epc for read in reads],
            _integers([read.epc_bits for read in reads]),
            _integers([read.antenna for read in reads]),
            _integers([read.rssi for read in reads]),
            _times([read.first_seen for read in reads]) if reads else None,
            _times([read.last_seen for read in reads]) if reads else None,
            _integers([read.count for read in reads]),
        ]
    return _integers([int(cast(int, value)) for value in values])


def _read_values(kind: Kind, item: object, count: int) -> Values:
    if kind in _FLOAT_TAGS:
        floats = cast("array[float]", _read_numbers(item, frozenset({_FLOAT_TAGS[kind]})))
        if len(floats) != count:
            raise MalformedError("a column has not as many values as it says")
        if not all(map(isfinite, floats)):
            raise MalformedError("a value array holds NaN or infinity")
        return floats
    if kind is Kind.TEXT or kind is Kind.BYTES:
        return _read_list(str, item, count) if kind is Kind.TEXT else _read_list(bytes, item, count)
    if kind is Kind.TAG_READ:
        return _read_tag_reads(item, count)
    integers = _read_integers(item, count)
    if count:
        low, high = min(integers), max(integers)
        if (kind is Kind.BOOL and not 0 <= low <= high <= 1) or (
            low < 0 if kind is Kind.UINT else high >= 2**63
        ):
            raise MalformedError(f"a value does not fit its kind {kind.name}")
    return integers


def _read_list(wanted: type[T], item: object, count: int) -> list[T]:
    if (
        not isinstance(item, list)
        or len(item) != count
        or not all(type(value) is wanted and len(value) <= VALUE_BYTES_MAX for value in item)
    ):
        raise MalformedError(f"a column has not its {count} values of {wanted.__name__}")
    return item


def _read_tag_reads(item: object, count: int) -> TagReads:
    match item:
        case [epcs, bits, antennas, rssis, first, last, counts]:
            pass
        case _:
            raise MalformedError("the values of a tag-read column are not an array of seven")
    figures = [_read_integers(each, count) for each in (bits, antennas, rssis, counts)]
    if count and max(map(max, figures)) >= 2**63:
        raise MalformedError("a figure of a tag read is outside 64 bits")
    return TagReads(
        epcs=_read_list(bytes, epcs, count),
        epc_bits=figures[0],
        antennas=figures[1],
        rssis=figures[2],
        first_seen=_read_times(first, count) if count else array("q"),
        last_seen=_read_times(last, count) if count else array("q"),
        counts=figures[3],
    )


def _positions(item: object, count: int) -> frozenset[int]:
    if item is None:
        return frozenset()
    positions = _read_numbers(item, _INTEGER_TAGS)
    if not positions or any(later <= earlier for earlier, later in pairwise(positions)):
        raise MalformedError("positions without a value repeat or are out of order")
    if positions[0] < 0 or positions[-1] >= count:
        raise MalformedError("a position without a value is outside the column")
    return frozenset(cast("array[int]", positions))


def _runs(readings: Sequence[Reading]) -> cbor.Item:
    runs: list[list[int]] = []
    for reading in readings:
        state = [int(reading.status), reading.code]
        if runs and runs[-1][1:] == state:
            runs[-1][0] += 1
        else:
            runs.append([1, *state])
    return None if len(runs) == 1 and runs[0][1:] == [0, 0] else cast("cbor.Item", runs)


def _read_runs(item: object, count: int) -> tuple[Run, ...]:
    if item is None:
        return ()
    runs: list[Run] = []
    for entry in item if isinstance(item, list) else [None]:
        match entry:
            case [int(length), (0 | 1 | 2) as status, int(code)] if (
                length > 0 and -(2**63) <= code < 2**63
            ):
                runs.append(Run(length, Status(status), code))
            case _:
                raise MalformedError("a status run is not [length, status, code]")
    if sum(run.length for run in runs) != count:
        raise MalformedError("the status runs do not cover the column")
    return tuple(runs)


def _read_raws(item: object, count: int) -> dict[int, bytes]:
    if item is None:
        return {}
    raws: dict[int, bytes] = {}
    for position, raw in item.items() if isinstance(item, dict) and item else [(None, None)]:
        if not isinstance(position, int) or not 0 <= position < count:
            raise MalformedError("a raw value stands at no position of the column")
        if not isinstance(raw, bytes) or not 0 < len(raw) <= VALUE_BYTES_MAX:
            raise MalformedError("a raw value is empty, too long or not a byte string")
        raws[position] = raw
    return raws
