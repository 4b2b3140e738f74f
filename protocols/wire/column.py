"""A column: the readings of one signal in one bundle, as typed arrays (RFC 8746).

A column is the CBOR array ``[signal, kind, count, gateway times, source times, values, absent,
statuses, raws]`` (docs/specs/bundle.md). Times are ``[first, step, deltas]``: the first time and
the differences from reading to reading in units of ``step`` nanoseconds. Readings of one signal
with and without a source time stand in two columns.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Final, NamedTuple, TypeAlias

from protocols.wire import cbor
from protocols.wire.errors import LimitError, MalformedError
from protocols.wire.limits import (
    COLUMNS_PER_BUNDLE_MAX,
    READINGS_PER_BUNDLE_MAX,
    SIGNAL_NAME_BYTES_MAX,
    VALUE_BYTES_MAX,
)
from protocols.wire.reading import Kind, Reading, SignalName, Status, Value
from protocols.wire.values.arrays import integers, read_integers, read_times, times
from protocols.wire.values.forms import Values, encode_values, read_values
from protocols.wire.values.usual import Usual, usual_column


class Run(NamedTuple):
    """So many readings in a row of one status and code."""

    length: int
    status: Status
    code: int


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
    groups: defaultdict[tuple[str, Kind, bool], list[Reading]] = defaultdict(list)
    for reading in readings:
        groups[reading[0], reading[1], reading[4] is None].append(reading)
    known: _Known = {}
    return [_encode(group, known) for group in groups.values()]


def encode_column(readings: Sequence[Reading]) -> bytes:
    """Return the column of ``readings``: one signal and kind, with source times or without.

    Raises LimitError for a name or a value over its bound.
    """
    return _encode(readings, {})


# Signals that are read together have the same times: their form is made once.
_Known: TypeAlias = dict[tuple[int, ...], bytes]


def _encode(readings: Sequence[Reading], known: _Known) -> bytes:
    signals, kinds, found, gateway_times, source_times, statuses, codes, sent = zip(
        *readings, strict=True
    )
    kind, count = kinds[0], len(readings)
    values = [value for value in found if value is not None]
    absent = [at for at, value in enumerate(found) if value is None] if len(values) < count else []
    raws = {at: raw for at, raw in enumerate(sent) if raw} if any(sent) else None
    if raws and max(map(len, raws.values())) > VALUE_BYTES_MAX:
        raise LimitError(f"a raw value of {signals[0]!r} is over {VALUE_BYTES_MAX} bytes")
    parts = (
        _opening(signals[0], kind),
        cbor.encode_integer(count),
        known.get(gateway_times) or _times(gateway_times, known),
        cbor.NULL
        if source_times[0] is None
        else known.get(source_times) or _times(source_times, known),
        encode_values(kind, values),
        integers(absent) if absent else cbor.NULL,
        cbor.encode(_runs(statuses, codes)) if any(statuses) or any(codes) else cbor.NULL,
        cbor.NULL if raws is None else cbor.encode(raws),
    )
    return b"".join(parts)


@lru_cache(maxsize=COLUMNS_PER_BUNDLE_MAX)
def _opening(signal: str, kind: Kind) -> bytes:
    """Return how every column of a signal begins: name and kind; LimitError if it has no name."""
    if not is_signal_name(signal):
        raise LimitError(f"{signal[:40]!r} is not the name of a signal")
    return cbor.array_head(_PARTS) + cbor.encode(signal) + cbor.encode_integer(kind)


def _times(moments: tuple[int, ...], known: _Known) -> bytes:
    found = known[moments] = times(moments)
    return found


def decode_column(data: bytes) -> Column:
    """Return the column that ``data`` is; MalformedError or LimitError if it is none."""
    usual = usual_column(data)
    return decode_any_column(data) if usual is None else _of_usual(usual)


def decode_any_column(data: bytes) -> Column:
    """Return what ``decode_column`` does, item by item."""
    match cbor.decode(data, booleans=False):
        case [
            str(signal),
            int(number),
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
    kind = _KINDS.get(number)
    if not is_signal_name(signal) or kind is None:
        raise MalformedError(_NAMELESS)
    if not 0 < count <= READINGS_PER_BUNDLE_MAX:
        raise LimitError(f"a column claims {count} readings")
    missing = _positions(absent, count)
    return Column(
        signal=SignalName(signal),
        kind=kind,
        gateway_times=read_times(gateway, count),
        source_times=None if source is None else read_times(source, count),
        values=read_values(kind, values, count - len(missing)),
        absent=missing,
        statuses=_read_runs(statuses, count),
        raws=_read_raws(raws, count),
    )


def _of_usual(usual: Usual) -> Column:
    if not is_signal_name(usual.signal):
        raise MalformedError(_NAMELESS)
    return Column(
        signal=SignalName(usual.signal),
        kind=usual.kind,
        gateway_times=usual.gateway_times,
        source_times=usual.source_times,
        values=usual.values,
        absent=frozenset(),
        statuses=(),
        raws={},
    )


def is_signal_name(text: str) -> bool:
    """Tell whether ``text`` may name a signal: not empty, not too long, nothing unprintable."""
    return text.isprintable() and 0 < len(text.encode()) <= SIGNAL_NAME_BYTES_MAX


_PARTS: Final = 9  # of a column
_KINDS: Final = {int(kind): kind for kind in Kind}
_NAMELESS: Final = "a column has no signal name or an unknown kind"


def _positions(item: object, count: int) -> frozenset[int]:
    if item is None:
        return frozenset()
    positions = read_integers(item)
    if not positions or any(later <= earlier for earlier, later in pairwise(positions)):
        raise MalformedError("positions without a value repeat or are out of order")
    if positions[0] < 0 or positions[-1] >= count:
        raise MalformedError("a position without a value is outside the column")
    return frozenset(positions)


def _runs(statuses: Sequence[Status], codes: Sequence[int]) -> list[cbor.Item]:
    return [
        [len(list(run)), int(status), code]
        for (status, code), run in groupby(zip(statuses, codes, strict=True))
    ]


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
