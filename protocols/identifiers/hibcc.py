"""HIBC supplier labels: primary and secondary data, separate or in one symbol (ANSI/HIBC 2.6).

::

    +A123BJC5D6E71G              primary: labeler A123, product BJC5D6E7, unit 1, check G
    +$$52001510X3GD              secondary: expiry, lot, link to the primary (G), check D
    +A99912345/$$52001510X33     both in one symbol, check 3; supplements may follow the lot

Text between asterisks (the caption of a Code 39 symbol) is read without them. Written is the form
in one symbol. A lot of a secondary symbol ends in a link character, the check character of the
primary that it belongs to: `matches_primary` compares them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from protocols.identifiers.check_characters import mod43
from protocols.identifiers.errors import HibcError
from protocols.identifiers.label_date import LabelDate, full_year

__all__ = ["Hibc", "matches_primary", "parse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hibc:
    """What a HIBC symbol says; a secondary one alone has no labeler, product and unit."""

    labeler: str | None = None  # labeler identification code: a letter and three more characters
    product: str | None = None  # product or catalogue number, 1 to 18 characters
    unit: int | None = None  # unit of measure: 0 one piece, 1 to 8 packages, 9 variable
    lot: str | None = None
    serial: str | None = None
    quantity: int | None = None
    expiry: LabelDate | None = None
    manufactured: LabelDate | None = None
    link: str | None = None  # of a secondary symbol alone: the check character of its primary

    @property
    def primary(self) -> str | None:
        """Labeler, product and unit as they stand in the symbol: the device identifier."""
        if self.labeler is None or self.product is None or self.unit is None:
            return None
        return f"{self.labeler}{self.product}{self.unit}"

    def written(self) -> str:
        """Return the data of one symbol, with its check character.

        Raises HibcError for a secondary alone, whose symbol belongs to a primary. A serial number
        beside a lot, a date of manufacture and a quantity stand in supplements.
        """
        if self.primary is None:
            raise HibcError("a secondary alone is not written", hint="give labeler and product")
        segments = [f"+{self.primary}", *_secondary(self)]
        if self.manufactured is not None:
            segments.append(f"16D{_eight(self.manufactured)}")
        if self.serial is not None and self.lot is not None:
            segments.append(f"S{self.serial}")
        if self.quantity is not None:
            segments.append(f"Q{self.quantity}")
        data = "/".join(segments)
        return data + mod43(data)


def parse(text: str, *, this_year: int) -> Hibc:
    """Return what a symbol says; raises HibcError.

    ``this_year`` gives a year of two digits its century. The check character is required.
    """
    data = text.strip("*")
    if not re.fullmatch(r"\+[0-9A-Z\-. $/+%]{3,109}", data):
        raise HibcError(f"{text[:60]!r} is not HIBC: + and then characters of Code 39", hint=_COPY)
    body, check = data[:-1], data[-1]
    if mod43(body) != check:
        raise HibcError(f"{text!r}: check character is {mod43(body)!r}, not {check!r}", hint=_COPY)
    reading = _Reading(text, this_year)
    if found := _PRIMARY.fullmatch(body.partition("/")[0]):
        reading.found = {
            "labeler": found["labeler"],
            "product": found["product"],
            "unit": int(found["unit"]),
        }
        segments = body.split("/")[1:]
    elif re.match(r"\+[0-9$]", body):
        # Of a secondary alone the last character is the link, which may itself be a slash.
        reading.found = {"link": body[-1]}
        segments = body[1:-1].split("/")
    else:
        raise HibcError(f"{text!r} has no primary and no secondary data", hint=_COPY)
    for position, segment in enumerate(segments):
        reading.segment(segment, first=position == 0)
    return Hibc(**reading.found)  # type: ignore[arg-type] # the names and types are those below


def matches_primary(secondary: Hibc, primary: Hibc) -> bool:
    """Return whether a secondary symbol carries the check character of a primary one."""
    return secondary.link is not None and secondary.link == mod43(f"+{primary.primary}")


_COPY: Final = "scan it again; the last character is the check, and blanks within count"

_PRIMARY: Final = re.compile(
    r"\+(?P<labeler>[A-Z][0-9A-Z]{3})(?P<product>[0-9A-Z]{1,18})(?P<unit>[0-9])"
)

# Flag behind $$ or $$+, and its date; without flag it is month and year.
_DATES: Final = {
    "2": r"(?P<m>\d\d)(?P<d>\d\d)(?P<y>\d\d)",
    "3": r"(?P<y>\d\d)(?P<m>\d\d)(?P<d>\d\d)",
    "4": r"(?P<y>\d\d)(?P<m>\d\d)(?P<d>\d\d)(?P<h>\d\d)",
    "5": r"(?P<y>\d\d)(?P<j>\d{3})",
    "6": r"(?P<y>\d\d)(?P<j>\d{3})(?P<h>\d\d)",
    "7": r"",
    "": r"(?P<m>\d\d)(?P<y>\d\d)",
}

_NUMBER: Final = re.compile(r"[0-9A-Z\-. ]{0,18}")
"""Lot or serial number; the standard has it alphanumeric, labels also use hyphen, dot and blank."""


class _Reading:
    """What has been read of one symbol so far."""

    def __init__(self, text: str, this_year: int) -> None:
        self.text = text
        self.this_year = this_year
        self.found: dict[str, object] = {}

    def segment(self, segment: str, *, first: bool) -> None:
        """Read the secondary data, or a supplement after them."""
        if supplement := _SUPPLEMENT.fullmatch(segment):
            self._supplement(supplement)
        elif first:
            self._secondary(segment)
        else:
            raise self._wrong(f"{segment!r} is no supplement")

    def _supplement(self, found: re.Match[str]) -> None:
        if found["day"] is not None:
            day = found["day"]
            name = "expiry" if found["kind"] == "14D" else "manufactured"
            self._set(name, self._date(int(day[:4]), int(day[4:6]), int(day[6:])))
        elif found["serial"] is not None:
            self._set("serial", found["serial"])
        else:
            self._set("quantity", int(found["quantity"]))

    def _secondary(self, segment: str) -> None:
        for opening, name in (("$$+", "serial"), ("$$", "lot"), ("$+", "serial"), ("$", "lot")):
            if segment.startswith(opening):
                rest = segment.removeprefix(opening)
                if opening.startswith("$$"):
                    rest = self._dated(rest)
                self._number(name, rest)
                return
        # Without a flag: year, day of the year, lot.
        if not re.match(r"[0-9]{5}", segment):
            raise self._wrong(f"{segment!r} is no secondary data")
        self._set("expiry", self._ordinal(segment[:2], segment[2:5]))
        self._number("lot", segment[5:])

    def _dated(self, rest: str) -> str:
        """Read quantity and expiry behind $$, and return what follows."""
        if found := re.match(r"8(\d{2})|9(\d{5})", rest):
            self._set("quantity", int(found[1] or found[2]))
            rest = rest[found.end() :]
            if not rest:
                return rest
        flag = rest[:1] if rest[:1] in tuple("234567") else ""
        found = re.match(flag + _DATES[flag], rest)
        if found is None:
            raise self._wrong(f"no date at {rest!r}")
        parts = found.groupdict()
        if parts:
            hour = int(parts["h"]) if "h" in parts else None
            if "j" in parts:
                self._set("expiry", self._ordinal(parts["y"], parts["j"], hour))
            else:
                year = full_year(int(parts["y"]), self.this_year)
                day = int(parts["d"]) if "d" in parts else None
                self._set("expiry", self._date(year, int(parts["m"]), day, hour))
        return rest[found.end() :]

    def _number(self, name: str, number: str) -> None:
        if not _NUMBER.fullmatch(number):
            raise self._wrong(f"{number!r} is no lot or serial number")
        if number:
            self._set(name, number)

    def _ordinal(self, year: str, day: str, hour: int | None = None) -> LabelDate:
        try:
            return LabelDate.of_ordinal(full_year(int(year), self.this_year), int(day), hour)
        except ValueError:
            raise self._wrong(f"{year}{day} is no day of a year") from None

    def _date(self, year: int, month: int, day: int | None, hour: int | None = None) -> LabelDate:
        try:
            return LabelDate(year, month, day, hour)
        except ValueError:
            raise self._wrong(f"{year}-{month}-{day} is no date") from None

    def _set(self, name: str, value: object) -> None:
        if self.found.setdefault(name, value) != value:
            raise self._wrong(f"two values of {name}")

    def _wrong(self, what: str) -> HibcError:
        return HibcError(f"{self.text!r}: {what}", hint=_COPY)


_SUPPLEMENT: Final = re.compile(
    r"(?P<kind>14D|16D)(?P<day>\d{8})|S(?P<serial>[0-9A-Z\-. ]{1,18})|Q(?P<quantity>\d{1,5})"
)


def _secondary(hibc: Hibc) -> list[str]:
    """Return the secondary data: expiry and lot, or without a lot the serial number."""
    mark, number = ("", hibc.lot) if hibc.lot is not None else ("+", hibc.serial)
    expiry = hibc.expiry
    if expiry is None:
        return [f"${mark}{number}"] if number is not None else []
    year = f"{expiry.year % 100:02d}"
    if expiry.day is None:
        dated = f"{expiry.month:02d}{year}"
    else:
        hour = "" if expiry.hour is None else f"{expiry.hour:02d}"
        dated = f"{'3' if not hour else '4'}{year}{expiry.month:02d}{expiry.day:02d}{hour}"
    return [f"$${mark if number is not None else ''}{dated}{number or ''}"]


def _eight(day: LabelDate) -> str:
    if day.day is None:
        raise HibcError(f"{day} has no day", hint="HIBC has the day of manufacture")
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"
