"""RFID scans of OPC UA for AutoID as tag reads (OPC 30010 sections 7.6, 9.1.2, 9.3.12, 9.3.13)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from protocols.field.opcua.change import nanoseconds
from protocols.field.opcua.settings import OpcuaSignal
from protocols.field.opcua.values.part import Decode, pick
from protocols.wire.limits import VALUE_BYTES_MAX
from protocols.wire.reading import (
    Doubt,
    Nanoseconds,
    Reading,
    SignalName,
    Status,
    TagRead,
    judge,
)


def tag_reads(
    signal: OpcuaSignal,
    results: Any,
    *,
    now: Nanoseconds,
    skew_max: Nanoseconds | None,
    when: Nanoseconds | None,
    decode: Decode,
) -> Iterator[Reading]:
    """Yield a tag read for each sighting of each RfidScanResult; ``when`` is the event's time.

    A scan without sightings is one read of antenna 0, UNCERTAIN; one whose identifier cannot be
    told is BAD, with what came of it kept.
    """
    if not isinstance(results, list):
        results = [results]
    for result in results:
        code_type = _field(result, decode, "CodeType")
        epc = _identifier(code_type, result, decode)
        scanned = _time(_field(result, decode, "Timestamp"), when)
        if epc is None:
            raw = repr((code_type, _field(result, decode, "ScanData"))).encode(errors="replace")
            yield _judged(
                signal, None, now, skew_max, scanned, raw=raw[:VALUE_BYTES_MAX], is_whole=False
            )
            continue
        octets, bits = epc
        sightings = _field(result, decode, "Sighting") or []
        for sighting in sightings or [None]:
            strength = _field(sighting, decode, "Strength")
            antenna = _field(sighting, decode, "Antenna")
            time = _time(_field(sighting, decode, "Timestamp"), scanned)
            seen = now if time is None else time
            read = TagRead(
                epc=octets,
                epc_bits=bits,
                antenna=antenna if isinstance(antenna, int) and antenna >= 0 else 0,
                rssi=strength * 100 if isinstance(strength, int) else 0,
                first_seen=seen,
                last_seen=seen,
                count=1,
            )
            whole = isinstance(strength, int) and time is not None
            yield _judged(signal, read, now, skew_max, time, raw=b"", is_whole=whole)


def _judged(
    signal: OpcuaSignal,
    read: TagRead | None,
    now: Nanoseconds,
    skew_max: Nanoseconds | None,
    time: Nanoseconds | None,
    *,
    raw: bytes,
    is_whole: bool,
) -> Reading:
    return judge(
        signal=SignalName(signal.name),
        kind=signal.kind,
        value=read,
        gateway_time=now,
        source_time=time,
        status=Status.GOOD if is_whole or read is None else Status.UNCERTAIN,
        code=0 if is_whole or read is None else Doubt.NO_VALUE,
        raw=raw,
        skew_max=skew_max,
    )


def _identifier(code_type: Any, result: Any, decode: Decode) -> tuple[bytes, int] | None:
    """Return the identifier's octets and its length in bits, by the code's type."""
    if code_type == "EPC":
        octets = _field(result, decode, "ScanData", "Epc", "UId")
        control = _field(result, decode, "ScanData", "Epc", "PC")
        if not isinstance(octets, bytes) or not octets:
            return None
        # The first five bits of the protocol control word are the length in words of 16 bits.
        bits = (control >> 11) * 16 if isinstance(control, int) else 0
        return octets, bits if 0 < bits <= 8 * len(octets) else 8 * len(octets)
    if code_type in _BYTES:
        octets = _field(result, decode, "ScanData", "ByteString")
        return (octets, 8 * len(octets)) if isinstance(octets, bytes) and octets else None
    if code_type == "RAW:STRING":
        return _hexadecimal(_field(result, decode, "ScanData", "String"))
    return None


_BYTES: Final = ("RAW:BYTES", "UID", "GS1", "ASC")


def _hexadecimal(text: Any) -> tuple[bytes, int] | None:
    try:
        octets = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return None
    return (octets, 8 * len(octets)) if octets else None


def _field(value: Any, decode: Decode, *path: str) -> Any:
    """Return a field of a structure; None where it is not there."""
    try:
        return pick(value, path, decode)
    except LookupError:
        return None


def _time(found: Any, other: Nanoseconds | None) -> Nanoseconds | None:
    time = nanoseconds(found) if isinstance(found, datetime) else None
    return other if time is None else time
