"""The values of a column: what each kind looks like on the wire (docs/specs/bundle.md, "Values").

An integer is near the one before it, and a sensor gives numbers of a few decimals, which binary
floats only come close to. So integers are ``[deltas, first]``, and floats that are decimals, bit
for bit, are ``[decimals, deltas, first]``: integers over a power of ten. Where that is not smaller
or not exact they are typed arrays of their own width.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from math import isfinite
from typing import Any, Final, TypeAlias, TypeVar

from protocols.wire.cbor import NULL, array_head, encode, encode_array, encode_integer
from protocols.wire.errors import LimitError, MalformedError
from protocols.wire.limits import VALUE_BYTES_MAX
from protocols.wire.reading import Kind, TagRead, Value
from protocols.wire.values.arrays import (
    Numbers,
    deltas,
    integers,
    narrow,
    read_floats,
    read_integers,
    read_times,
    times,
    typed,
)

T = TypeVar("T", str, bytes)


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


def encode_values(kind: Kind, values: list[Value]) -> bytes:
    """Return the one form that the encoder gives ``values``; LimitError for one over its bound."""
    return _ENCODERS[kind](values)


def read_values(kind: Kind, item: object, count: int) -> Values:
    """Return the ``count`` values that ``item`` holds; MalformedError if it is not their form."""
    return _READERS[kind](item, count)


_SCALES: Final = tuple(10.0**decimals for decimals in range(10))
_ENCODED_SCALES: Final = tuple(
    (array_head(3) + encode_integer(decimals), scale) for decimals, scale in enumerate(_SCALES)
)
# Below its bound, a float of the width holds every integer: a quotient of two of them is the one
# double that is nearest to the decimal (IEEE 754 section 5.4.1), whoever divides. A float of the
# width may be so far off that double, as a part of it.
_BOUNDS: Final = {"f": (2**24, 2.0**-24), "d": (2**53, 0.0)}
_WIDTHS: Final = {"f": 4, "d": 8}


def _floats(code: str, floats: list[float]) -> bytes:
    """Return the encoded floats of type ``code``, which hold no more bits than that has."""
    found = _decimals(code, floats) if floats else None
    if found is not None:
        opening, numbers = found
        first, (differences, size) = numbers[0], narrow(deltas(numbers))
        if 3 + (first.bit_length() + 7) // 8 + size < len(floats) * _WIDTHS[code]:
            return opening + differences + encode_integer(first)
    return typed(array(code, floats))


def _decimals(code: str, floats: list[float]) -> tuple[bytes, list[int]] | None:
    """Return the integers that ``floats`` are at the fewest decimals that give every bit again.

    Before them stands the head of an array of three with the number of decimals in it. None where
    there are none with integers below the bound.
    """
    bound, rounding = _BOUNDS[code]
    hardest = floats[0]  # the first that needs more decimals; all are tried only where it fits
    if not hardest % 1.0:
        hardest = next((value for value in floats if value % 1.0), hardest)
    slack = rounding * abs(hardest)
    try:
        for opening, scale in _ENCODED_SCALES:
            if not -slack <= round(hardest * scale) / scale - hardest <= slack:
                continue
            numbers = [round(value * scale) for value in floats]
            if max(numbers) >= bound or min(numbers) <= -bound:
                return None
            again = [number / scale for number in numbers]
            if rounding:
                again = array(code, again).tolist()
            if again == floats:
                if 0 in numbers and array(code, again).tobytes() != array(code, floats).tobytes():
                    return None  # a negative zero, which no integer gives
                return opening, numbers
            hardest = next(
                value for value, other in zip(floats, again, strict=True) if value != other
            )
            slack = rounding * abs(hardest)
    except (OverflowError, ValueError):  # infinity and NaN are no decimals
        return None
    return None


def _read_floats(item: object, count: int, code: str) -> array[float]:
    match item:
        case [int(decimals), differences, int(first)] if 0 <= decimals < len(_SCALES):
            return decimals_of(code, decimals, first, read_integers(differences, count - 1))
    floats = read_floats(item, code)
    if len(floats) != count:
        raise MalformedError("a column has not as many values as it says")
    if not all(map(isfinite, floats)):
        raise MalformedError("a value array holds NaN or infinity")
    return floats


def decimals_of(code: str, decimals: int, first: int, steps: array[int]) -> array[float]:
    """Return the floats of type ``code`` that are integers over a power of ten, from 0 to 9.

    ``steps`` lead from each integer to the next; MalformedError for one past what a float holds.
    """
    numbers, (bound, _) = list(accumulate(steps, initial=first)), _BOUNDS[code]
    if max(numbers) >= bound or min(numbers) <= -bound:
        raise MalformedError("a decimal has more digits than a float of its kind holds")
    scale = _SCALES[decimals]
    return array(code, [number / scale for number in numbers])


def _integers(numbers: Sequence[int]) -> bytes:
    plain, plain_size = narrow(numbers)
    try:
        differences, size = narrow(deltas(numbers))
    except LimitError:  # from one end of 64 bits to the other
        return plain
    if size < plain_size:
        return encode_array((differences, encode_integer(numbers[0])))
    return plain


_INTEGER_KINDS: Final = {"q": "INT", "Q": "UINT"}


def _read_integers(item: object, count: int, code: str) -> array[int]:
    try:
        match item:
            case [differences, int(first)]:
                steps = read_integers(differences, count - 1)
                return array(code, accumulate(steps, initial=first))
        return array(code, read_integers(item, count))
    except OverflowError:
        raise MalformedError(f"a value does not fit its kind {_INTEGER_KINDS[code]}") from None


def _read_bools(item: object, count: int) -> array[int]:
    bits = read_integers(item, count)
    if count and not 0 <= min(bits) <= max(bits) <= 1:
        raise MalformedError("a value does not fit its kind BOOL")
    return bits


def _read_list(wanted: type[T], item: object, count: int) -> list[T]:
    if (
        not isinstance(item, list)
        or len(item) != count
        or not all(type(value) is wanted and len(value) <= VALUE_BYTES_MAX for value in item)
    ):
        raise MalformedError(f"a column has not its {count} values of {wanted.__name__}")
    return item


def _texts(texts: Sequence[str] | Sequence[bytes]) -> bytes:
    if any(len(value) > VALUE_BYTES_MAX for value in texts):
        raise LimitError(f"a value is over {VALUE_BYTES_MAX} long")
    return encode(list(texts))


def _tag_reads(reads: Sequence[TagRead]) -> bytes:
    return encode_array(
        (
            encode([read.epc for read in reads]),
            integers([read.epc_bits for read in reads]),
            integers([read.antenna for read in reads]),
            integers([read.rssi for read in reads]),
            times([read.first_seen for read in reads]) if reads else NULL,
            times([read.last_seen for read in reads]) if reads else NULL,
            integers([read.count for read in reads]),
        )
    )


def _read_tag_reads(item: object, count: int) -> TagReads:
    match item:
        case [epcs, bits, antennas, rssis, first, last, counts]:
            pass
        case _:
            raise MalformedError("the values of a tag-read column are not an array of seven")
    figures = [read_integers(each, count) for each in (bits, antennas, rssis, counts)]
    if count and max(map(max, figures)) >= 2**63:
        raise MalformedError("a figure of a tag read is outside 64 bits")
    return TagReads(
        epcs=_read_list(bytes, epcs, count),
        epc_bits=figures[0],
        antennas=figures[1],
        rssis=figures[2],
        first_seen=read_times(first, count) if count else array("q"),
        last_seen=read_times(last, count) if count else array("q"),
        counts=figures[3],
    )


_ENCODERS: Final[dict[Kind, Callable[[Any], bytes]]] = {
    Kind.FLOAT32: lambda values: _floats("f", array("f", values).tolist()),
    Kind.FLOAT64: lambda values: _floats("d", values),
    Kind.INT: _integers,
    Kind.UINT: _integers,
    Kind.BOOL: lambda values: integers(list(map(int, values))),
    Kind.TAG_READ: _tag_reads,
    Kind.TEXT: _texts,
    Kind.BYTES: _texts,
}
_READERS: Final[dict[Kind, Callable[[object, int], Values]]] = {
    Kind.FLOAT32: partial(_read_floats, code="f"),
    Kind.FLOAT64: partial(_read_floats, code="d"),
    Kind.INT: partial(_read_integers, code="q"),
    Kind.UINT: partial(_read_integers, code="Q"),
    Kind.BOOL: _read_bools,
    Kind.TAG_READ: _read_tag_reads,
    Kind.TEXT: partial(_read_list, str),
    Kind.BYTES: partial(_read_list, bytes),
}
