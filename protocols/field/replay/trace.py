"""A trace: what a source sent, a JSON object a line, as ``lotproof-agent record`` writes it.

::

    {"trace": 1, "source": "press", "driver": "opcua",
     "signals": [{"name": "press/speed", "kind": "float64", "unit": "mm/s"}]}
    {"at": 1795305600000000000, "signal": "press/speed", "kind": "float64", "value": 12.5,
     "time": 1795305599998000000, "status": "GOOD", "code": 0}
    {"at": 1795305601000000000, "gap": {"subject": "press", "start": …, "end": …,
     "reason": "SOURCE_DOWN", "count": null}}

``at`` is gateway time and ``time`` the source's, both in nanoseconds since 1970; octets are
hexadecimal, among them ``raw``; a tag read is an object of its fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from protocols.wire.reading import (
    Gap,
    GapReason,
    Kind,
    Nanoseconds,
    Reading,
    Status,
    TagRead,
)

__all__ = ["VERSION", "Traced", "encode_gap", "encode_reading", "read_traced"]

VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A line of a trace: a reading, or a gap."""

    at: Nanoseconds
    gap: Gap | None = None
    signal: str = ""
    value: object = None
    time: Nanoseconds | None = None
    status: Status = Status.GOOD
    code: int = 0
    raw: bytes = b""


def encode_reading(reading: Reading) -> dict[str, Any]:
    """Return a reading as a line of a trace."""
    row: dict[str, Any] = {
        "at": reading.gateway_time,
        "signal": reading.signal,
        "kind": reading.kind.name.lower(),
        "value": _plain(reading.value),
        "time": reading.source_time,
        "status": reading.status.name,
        "code": int(reading.code),
    }
    return row | ({"raw": reading.raw.hex()} if reading.raw else {})


def encode_gap(gap: Gap, at: Nanoseconds) -> dict[str, Any]:
    """Return a declared gap as a line of a trace."""
    return {"at": at, "gap": {**asdict(gap), "reason": gap.reason.name}}


def read_traced(
    rows: Iterator[Mapping[str, Any] | None], kinds: Mapping[str, Kind]
) -> Iterator[Traced | None]:
    """Yield each line of a trace, None for one that cannot be read; its header is passed over."""
    for row in rows:
        if row is not None and ("trace" in row or "error" in row):
            continue
        try:
            yield None if row is None else _traced(row, kinds)
        except (ValueError, TypeError, KeyError):
            yield None


def _traced(row: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Traced:
    at = _time(row["at"])
    if "gap" in row:
        return Traced(at=at, gap=_gap(row["gap"]))
    signal = str(row["signal"])
    return Traced(
        at=at,
        signal=signal,
        value=_value(row.get("value"), kinds.get(signal)),
        time=None if row.get("time") is None else _time(row["time"]),
        status=Status[row.get("status", "GOOD")],
        code=int(row.get("code", 0)),
        raw=bytes.fromhex(row.get("raw", "")),
    )


def _value(value: Any, kind: Kind | None) -> object:
    if value is not None and kind is Kind.BYTES:
        return bytes.fromhex(value)
    if value is not None and kind is Kind.TAG_READ:
        return TagRead(**{**value, "epc": bytes.fromhex(value["epc"])})
    return value  # of JSON's own types, which the reading judges


def _plain(value: object) -> object:
    match value:
        case bytes():
            return value.hex()
        case TagRead():
            return {**asdict(value), "epc": value.epc.hex()}
        case _:
            return value


def _gap(given: Any) -> Gap:
    return Gap(
        subject=str(given["subject"]),
        start=_time(given["start"]),
        end=_time(given["end"]),
        reason=GapReason[given["reason"]],
        count=None if given.get("count") is None else int(given["count"]),
    )


def _time(value: Any) -> Nanoseconds:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _TIME_MAX:
        raise ValueError(value)
    return value


_TIME_MAX: Final = 2**63
