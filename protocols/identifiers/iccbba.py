"""ISBT 128 device identification of ICCBBA: data structures one after another.

``=/A9999XYZ100T0944=,000025=A99971312345600=>014032=}013032&,1000000000000XYZ123``: each begins
with two characters that identify it. In a compound message ``=+06000`` stands in front and counts
them. Structures: ISBT 128 Standard Technical Specification (ST-001) and Coding and Labeling of
Medical Devices Using ISBT 128 (ST-011), as their fields are printed in FDA's "UDI formats by
FDA-accredited issuing agency"; the databases of ICCBBA, which say whether a facility or product
code was ever issued, are licensed and are not asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from protocols.identifiers.errors import Isbt128Error
from protocols.identifiers.label_date import LabelDate

__all__ = ["Isbt128", "parse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Isbt128:
    """What the structures say."""

    device: str | None = None  # processor product identification code: 16 characters
    serial: str | None = None  # 6 characters
    donation: str | None = None  # donation identification number with flags: 15 characters
    expiry: LabelDate | None = None
    manufactured: LabelDate | None = None
    lot: str | None = None  # 18 characters, filled up with zeros in front
    container: str | None = None  # manufacturer and catalogue number of a blood container: 10
    container_lot: str | None = None  # 10 characters

    def written(self) -> str:
        """Return the structures without a compound header; raises Isbt128Error for none."""
        text = "".join(
            identifier + (_written_date(value) if isinstance(value, LabelDate) else value)
            for identifier, name, _ in _STRUCTURES
            if (value := getattr(self, name)) is not None
        )
        if not text:
            raise Isbt128Error("no data structure", hint=_COPY)
        return text


def parse(text: str) -> Isbt128:
    """Return what a string of data structures says; raises Isbt128Error."""
    rest, announced = _without_header(text)
    found: dict[str, str | LabelDate] = {}
    while rest:
        name, value, rest = _first(rest)
        if name in found:
            raise Isbt128Error(f"{text[:90]!r} has {name} twice", hint="scan one item at a time")
        found[name] = _date(value) if name in ("expiry", "manufactured") else value
    if announced is not None and announced != len(found):
        raise Isbt128Error(
            f"{text[:90]!r} announces {announced} structures and has {len(found)}", hint=_COPY
        )
    if not found:
        raise Isbt128Error(f"{text[:90]!r} has no data structure", hint=_COPY)
    return Isbt128(**found)  # type: ignore[arg-type] # the names are those of the table


_COPY: Final = "scan it again; ISBT 128 data begin with = or & and have fixed lengths"

# Identifier, field, characters; ordered as FDA's example writes them.
_STRUCTURES: Final = (
    ("=/", "device", r"[A-Z0-9]{16}"),
    ("=,", "serial", r"[A-Z0-9]{6}"),
    ("=", "donation", r"[A-NP-Z1-9][A-Z0-9]{4}\d{2}\d{6}[A-Z0-9]{2}"),
    ("=>", "expiry", r"\d{6}"),
    ("=}", "manufactured", r"\d{6}"),
    ("&,1", "lot", r"[A-Z0-9]{18}"),
    ("=)", "container", r"[A-Z0-9]{10}"),
    ("&)", "container_lot", r"[A-Z0-9]{10}"),
)


def _first(text: str) -> tuple[str, str, str]:
    """Return field and value of the first structure, and what follows it."""
    for identifier, name, pattern in _STRUCTURES:
        match = re.match(re.escape(identifier) + f"({pattern})", text)
        if match:
            return name, match[1], text[match.end() :]
    raise Isbt128Error(f"no data structure at {text[:20]!r}", hint=_COPY)


def _without_header(text: str) -> tuple[str, int | None]:
    if not text.isascii() or len(text) > 200:
        raise Isbt128Error(f"{text[:60]!r} is not ISBT 128", hint=_COPY)
    if not text.startswith("=+"):
        return text, None
    # Two digits count the structures, three name their sequence in ICCBBA's table.
    if not re.match(r"=\+\d{5}", text):
        raise Isbt128Error(f"{text[:60]!r} has no compound message header", hint=_COPY)
    return text[7:], int(text[2:4])


def _date(text: str) -> LabelDate:
    """Return the date of cYYJJJ: the year without its first digit, and the day of the year."""
    try:
        year = int(text[:3])
        # The century is 9 for 1900 and 0 for 2000.
        return LabelDate.of_ordinal(year + (1000 if year >= 900 else 2000), int(text[3:]))
    except ValueError:
        raise Isbt128Error(f"{text} is no day of a year", hint=_COPY) from None


def _written_date(day: LabelDate) -> str:
    if day.day is None or not 1900 <= day.year < 2900:
        raise Isbt128Error(f"{day} is no day of ISBT 128", hint="it counts the days of a year")
    last = day.last_day
    return f"{day.year % 1000:03d}{last.timetuple().tm_yday:03d}"
