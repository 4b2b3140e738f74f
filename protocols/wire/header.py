"""The header of a bundle: who, where in the chain, when, and what the body must be.

A header is a CBOR map with the integer keys of ``_FIELDS`` (docs/specs/bundle.md). Absent means
null: an opening statement stands in the first bundle of an epoch alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Final, NewType, cast

from protocols.wire import cbor
from protocols.wire.errors import LimitError, MalformedError
from protocols.wire.limits import (
    GAPS_PER_BUNDLE_MAX,
    GATEWAY_ID_BYTES_MAX,
    READINGS_PER_BUNDLE_MAX,
    TEXT_BYTES_MAX,
)
from protocols.wire.pattern import UINT, byte_string, number_of
from protocols.wire.reading import Gap, GapReason, Nanoseconds

GatewayId = NewType("GatewayId", str)
"""Lower-case letters, digits and hyphens, starting with a letter or digit: ``gw-07``."""

Epoch = NewType("Epoch", bytes)
"""16 random bytes, made when a gateway's buffer is created."""

FIRST_PREVIOUS: Final = bytes(32)
"""What stands as ``previous`` in the first bundle of an epoch."""


class ClockState(IntEnum):
    """How far the gateway's wall clock may be trusted."""

    UNSET = 0  # no time since boot; times count from the floor
    FREE_RUNNING = 1  # was set, is not being corrected
    SYNCHRONISED = 2  # corrected by NTP within the uncertainty


class OpeningReason(IntEnum):
    """Why an epoch opened."""

    NEW = 0  # first buffer of this gateway
    BUFFER_LOST = 1  # the disk was replaced, deleted or unreadable
    ROLLBACK = 2  # the aggregator knows bundles that this disk does not
    CLONE = 3  # two gateways wrote the same epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The statement that opens an epoch."""

    reason: OpeningReason
    previous_epoch: Epoch | None = None
    previous_head: bytes | None = None  # leaf hash of the last known bundle of it
    last_receipt: bytes | None = None  # the sealed receipt last seen, as it came


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """State of the gateway's clock when the bundle was sealed."""

    state: ClockState
    uncertainty: Nanoseconds  # of wall time, as the time service estimates it
    floor: Nanoseconds  # wall time is certainly not before this


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Readings since the epoch opened: what went in must have come out or be named."""

    read: int
    sealed: int
    refused: Mapping[str, int] = field(default_factory=dict)  # reason -> readings


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of a bundle before its body is opened.

    ``first_time`` and ``last_time`` bound the gateway times within; in a heartbeat (no readings)
    both are the sealed time.
    """

    gateway: GatewayId
    epoch: Epoch
    number: int  # from 0, without gaps
    previous: bytes  # leaf hash of the bundle before, FIRST_PREVIOUS for number 0
    first_reading: int  # number of the first reading in the epoch
    count: int  # readings in the body
    first_time: Nanoseconds
    last_time: Nanoseconds
    boot: bytes  # 16 bytes, new at each start of the gateway
    sealed_time: Nanoseconds
    sealed_monotonic: Nanoseconds  # since boot
    clock: Clock
    settings_hash: bytes  # SHA-256 of the settings in force
    dictionary_hash: bytes  # SHA-256 of the signal dictionary in force
    body_hash: bytes  # SHA-256 of the body as stored
    columns_root: bytes  # RFC 9162 root over the salted columns
    gaps: tuple[Gap, ...] = ()
    counters: Counters
    opening: Opening | None = None

    @property
    def end_reading(self) -> int:
        """The number of the first reading after this bundle."""
        return self.first_reading + self.count


def encode_header(header: Header) -> bytes:
    """Return the deterministic CBOR of ``header``."""
    clock, counters, opening = header.clock, header.counters, header.opening
    fields: dict[int, cbor.Item] = {
        1: header.gateway,
        2: header.epoch,
        3: header.number,
        4: header.previous,
        5: header.first_reading,
        6: header.count,
        7: header.first_time,
        8: header.last_time,
        9: header.boot,
        10: header.sealed_time,
        11: header.sealed_monotonic,
        12: [int(clock.state), clock.uncertainty, clock.floor],
        13: header.settings_hash,
        14: header.dictionary_hash,
        15: header.body_hash,
        16: header.columns_root,
        17: [gap_item(gap) for gap in header.gaps],
        18: [counters.read, counters.sealed, dict(counters.refused)],
    }
    if opening is not None:
        fields[19] = [
            int(opening.reason),
            opening.previous_epoch,
            opening.previous_head,
            opening.last_receipt,
        ]
    return cbor.encode(fields)


def decode_header(data: bytes) -> Header:
    """Return the header that ``data`` is; MalformedError or LimitError if it is none."""
    return _usual(data) or decode_any_header(data)


def decode_any_header(data: bytes) -> Header:
    """Like ``decode_header``, item by item, whatever the header declares."""
    fields = cbor.decode(data, booleans=False)
    if not isinstance(fields, dict) or not _REQUIRED <= fields.keys() <= _REQUIRED | {19}:
        raise MalformedError("a bundle's header has not exactly its fields")
    fields = cast("dict[int, cbor.Item]", fields)
    for name, (key, length) in _BYTES.items():
        value = fields[key]
        if not isinstance(value, bytes) or len(value) != length:
            raise MalformedError(f"{name} is not {length} bytes")
    for name, key in _NUMBERS.items():
        value = fields[key]
        if not isinstance(value, int) or not 0 <= value < 2**63:
            raise MalformedError(f"{name} is not a number from 0 to 2^63 - 1")
    header = Header(
        gateway=_gateway(fields[1]),
        epoch=Epoch(cast(bytes, fields[2])),
        clock=_clock(fields[12]),
        gaps=read_gaps(fields[17], count_max=GAPS_PER_BUNDLE_MAX),
        counters=_counters(fields[18]),
        opening=_opening(fields[19]) if 19 in fields else None,
        # The loops above have seen that each of these is what its field says.
        **{name: fields[key] for name, (key, _) in _BYTES.items() if key != 2},  # type: ignore[arg-type] # checked above
        # As above.
        **{name: fields[key] for name, key in _NUMBERS.items()},  # type: ignore[arg-type] # checked above
    )
    _check(header)
    return header


@lru_cache(maxsize=1024)  # each bundle of a chain names the same
def check_gateway_id(text: str) -> GatewayId:
    """Return ``text`` as a gateway id; MalformedError if it is none."""
    if (
        not 0 < len(text) <= GATEWAY_ID_BYTES_MAX
        or not text.isascii()
        or not text[0].isalnum()
        or not all(letter.isdigit() or letter.islower() or letter == "-" for letter in text)
    ):
        raise MalformedError(
            f"{text[:40]!r} is not a gateway id",
            hint="use lower-case letters, digits and hyphens, at most 64",
        )
    return GatewayId(text)


def _usual(data: bytes) -> Header | None:
    """Return a header without gaps, refused readings and an opening, as most are; else None."""
    match = _USUAL.fullmatch(data)
    if match is None:
        return None
    short, long, epoch, number, previous, reading, count, first, last, boot, *more = match.groups()
    sealed, since, state, uncertainty, floor, settings, dictionary, body, root, read, kept = more
    name = short[1:] if long is None else long[1:]
    if len(name) != (short[0] & 0x1F if long is None else long[0]):
        return None
    header = Header(
        gateway=check_gateway_id(name.decode()),
        epoch=Epoch(epoch),
        number=number_of(number),
        previous=previous,
        first_reading=number_of(reading),
        count=number_of(count),
        first_time=number_of(first),
        last_time=number_of(last),
        boot=boot,
        sealed_time=number_of(sealed),
        sealed_monotonic=number_of(since),
        clock=Clock(
            state=ClockState(state[0]), uncertainty=number_of(uncertainty), floor=number_of(floor)
        ),
        settings_hash=settings,
        dictionary_hash=dictionary,
        body_hash=body,
        columns_root=root,
        counters=Counters(read=number_of(read), sealed=number_of(kept)),
    )
    _check(header)
    return header


_BYTES: Final = {  # field -> (key, length)
    "epoch": (2, 16),
    "previous": (4, 32),
    "boot": (9, 16),
    "settings_hash": (13, 32),
    "dictionary_hash": (14, 32),
    "body_hash": (15, 32),
    "columns_root": (16, 32),
}
_NUMBERS: Final = {
    "number": 3,
    "first_reading": 5,
    "count": 6,
    "first_time": 7,
    "last_time": 8,
    "sealed_time": 10,
    "sealed_monotonic": 11,
}
_REQUIRED: Final = frozenset(range(1, 19))
_HASH: Final = byte_string(32)
_USUAL: Final = re.compile(
    rb"\xb2\x01(?:([\x61-\x77][a-z0-9-]+)|\x78([\x18-\x40][a-z0-9-]+))"
    rb"\x02%(boot)b\x03%(uint)b\x04%(hash)b\x05%(uint)b\x06%(uint)b\x07%(uint)b\x08%(uint)b"
    rb"\x09%(boot)b\x0a%(uint)b\x0b%(uint)b\x0c\x83([\x00-\x02])%(uint)b%(uint)b"
    rb"\x0d%(hash)b\x0e%(hash)b\x0f%(hash)b\x10%(hash)b\x11\x80\x12\x83%(uint)b%(uint)b\xa0"
    % {b"uint": UINT, b"hash": _HASH, b"boot": byte_string(16)}
)
"""A whole header that declares nothing unusual; the groups are its fields, in their order."""


def _check(header: Header) -> None:
    """Refuse a header whose own figures contradict each other."""
    if header.count > READINGS_PER_BUNDLE_MAX:
        raise LimitError(f"a bundle claims {header.count} readings")
    if header.first_time > header.last_time:
        raise MalformedError("a bundle ends before it starts")
    first = header.number == 0
    if first is not (header.previous == FIRST_PREVIOUS) or first is not bool(header.opening):
        raise MalformedError(
            "an epoch's first bundle, and it alone, has no previous and an opening"
        )
    if first and header.first_reading != 0:
        raise MalformedError("an epoch's readings do not start at 0")


def _gateway(item: cbor.Item) -> GatewayId:
    if not isinstance(item, str):
        raise MalformedError("the gateway id is not text")
    return check_gateway_id(item)


def _clock(item: cbor.Item) -> Clock:
    match item:
        case [(0 | 1 | 2) as state, int(uncertainty), int(floor)] if min(uncertainty, floor) >= 0:
            return Clock(state=ClockState(state), uncertainty=uncertainty, floor=floor)
    raise MalformedError("the clock is not [state, uncertainty, floor]")


def gap_item(gap: Gap) -> cbor.Item:
    """Return a gap declaration as it stands in a header and in a dossier's manifest."""
    return [gap.subject, gap.start, gap.end, gap.count, int(gap.reason)]


def read_gaps(item: cbor.Item, *, count_max: int) -> tuple[Gap, ...]:
    """Return the gap declarations that ``item`` is; MalformedError or LimitError if it is none."""
    if not isinstance(item, list):
        raise MalformedError("the gap declarations are not an array")
    if len(item) > count_max:
        raise LimitError(f"{len(item)} gaps are declared at once, over {count_max}")
    gaps = []
    for entry in item:
        match entry:
            case [str(subject), int(start), int(end), (int() | None) as count, int(reason)] if (
                0 <= start <= end
                and 0 <= reason <= max(GapReason)
                and (count is None or count >= 0)
            ):
                _bounded(subject)
                gaps.append(
                    Gap(
                        subject=subject,
                        start=start,
                        end=end,
                        count=count,
                        reason=GapReason(reason),
                    )
                )
            case _:
                raise MalformedError("a gap is not [subject, start, end, count, reason]")
    return tuple(gaps)


def _counters(item: cbor.Item) -> Counters:
    match item:
        case [int(read), int(sealed), dict(refused)] if min(read, sealed) >= 0:
            for reason, count in refused.items():
                if not isinstance(reason, str) or not isinstance(count, int) or count < 0:
                    raise MalformedError("a counter of refused readings is not reason: count")
                _bounded(reason)
            return Counters(read=read, sealed=sealed, refused=cast("dict[str, int]", refused))
    raise MalformedError("the counters are not [read, sealed, refused]")


def _opening(item: cbor.Item) -> Opening:
    match item:
        case [
            int(reason),
            (bytes() | None) as epoch,
            (bytes() | None) as head,
            (bytes() | None) as receipt,
        ] if (
            0 <= reason <= max(OpeningReason)
            and (epoch is None or len(epoch) == 16)
            and (head is None or len(head) == 32)
            and (receipt is None or len(receipt) <= TEXT_BYTES_MAX)
        ):
            return Opening(
                reason=OpeningReason(reason),
                previous_epoch=None if epoch is None else Epoch(epoch),
                previous_head=head,
                last_receipt=receipt,
            )
    raise MalformedError("the opening is not [reason, epoch, head, receipt]")


def _bounded(text: str) -> None:
    if len(text.encode()) > TEXT_BYTES_MAX:
        raise LimitError(f"a text is over {TEXT_BYTES_MAX} bytes")
