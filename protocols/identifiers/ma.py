"""MA codes (IDcode), China's identification of devices by ZIIOT, agency code MA of ISO/IEC 15459.

``MA.156.M0.100350.01004YA10017.SLMSAGAAAC.M210628.LAY21062803.E220628.V220627.C3``

- ``MA``, country (156), industry (M0), registrant (6 digits), then package level (1 digit), item
  and check digit: the DI
- units of the PI, each a letter and its value: S serial, M manufacture, L lot, D sterilisation lot,
  E expiry, V last valid day, Y medical insurance code, C check digit

Sources: the rules that ZIIOT and medical supply platforms print (units, their letters, dates of 6
or 8 digits, package level and check digit) and codes in software of code users. The manual itself
(医疗器械唯一标识 MA(IDcode)编码手册) was not to be had. Therefore: the item has 6 characters by the
printed rule and more in codes in use, so 1 to 20 are read; the check digits are computed as that
software does, which agrees with three DIs and three PIs found elsewhere, and not with two DIs and a
PI (with the outdated unit ``P``) of test data. The other Chinese agency, Ali Health (AHM),
publishes no structure that could be checked: AHM is not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from protocols.identifiers.check_characters import ma_digit
from protocols.identifiers.errors import MaError
from protocols.identifiers.label_date import LabelDate, full_year

__all__ = ["MaCode", "parse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaCode:
    """What an MA code says."""

    device: str  # the DI: MA.156.M0.<registrant>.<package level><item><check digit>
    serial: str | None = None
    manufactured: LabelDate | None = None
    lot: str | None = None
    sterilisation_lot: str | None = None
    expiry: LabelDate | None = None
    last_valid: LabelDate | None = None
    insurance: str | None = None

    def written(self) -> str:
        """Return the code; with a PI, its units in the order of the example and a check digit."""
        units = "".join(
            f".{letter}{_six(value) if isinstance(value, LabelDate) else value}"
            for letter, name in _UNITS.items()
            if (value := getattr(self, name)) is not None
        )
        return f"{self.device}{units}.C{ma_digit(units)}" if units else self.device


def parse(text: str, *, this_year: int) -> MaCode:
    """Return what a code says; raises MaError. ``this_year`` gives two-digit years a century."""
    found = _DI.match(text) if len(text) <= 300 else None
    if found is None:
        raise MaError(f"{text[:60]!r} has no DI of an MA code", hint=_COPY)
    device, rest = found[0], text[found.end() :]
    _check_digit(text, device[:-1], device[-1])
    values: dict[str, str | LabelDate] = {}
    units, separator, check = rest.partition(".C")
    if separator and (not re.fullmatch("[0-9]", check) or not units):
        raise MaError(f"{text!r}: .C{check} is not a check digit at the end", hint=_COPY)
    for unit in units.split(".")[1:] if units else []:
        name = _UNITS.get(unit[:1])
        if name is None or not re.fullmatch(_VALUE, unit[1:]):
            raise MaError(f"{text!r}: {unit!r} is no unit of a PI", hint=_COPY)
        if name in values:
            raise MaError(f"{text!r} has {name} twice", hint=_COPY)
        dated = name in ("manufactured", "expiry", "last_valid")
        values[name] = _date(unit[1:], this_year) if dated else unit[1:]
    if separator:
        _check_digit(text, units, check)
    return MaCode(device=device, **values)  # type: ignore[arg-type] # the names are those of _UNITS


_COPY: Final = "scan it again; an MA code is MA.156.M0.registrant.product and units after dots"

_DI: Final = re.compile(
    r"MA\.[0-9]{3}\.[A-Z][0-9A-Z]\.[0-9]{6}\.[0-9][0-9A-Za-z]{1,20}[0-9](?![^.])"
)

# Letters and fields, in the order of codes in circulation.
_UNITS: Final = {
    "S": "serial",
    "M": "manufactured",
    "L": "lot",
    "D": "sterilisation_lot",
    "E": "expiry",
    "V": "last_valid",
    "Y": "insurance",
}

_VALUE: Final = r"[0-9A-Za-z\-@$,*+%/#!^~]{1,40}"
"""Characters that have a number in the check digit; a dot would end the unit."""


def _check_digit(text: str, checked: str, digit: str) -> None:
    right = ma_digit(checked)
    if right != digit:
        raise MaError(f"{text!r}: check digit of {checked!r} is {right}, not {digit}", hint=_COPY)


def _date(text: str, this_year: int) -> LabelDate:
    if re.fullmatch(r"[0-9]{6}|[0-9]{8}", text):
        year = int(text[:4]) if len(text) == 8 else full_year(int(text[:2]), this_year)
        try:
            return LabelDate(year, int(text[-4:-2]), int(text[-2:]))
        except ValueError:
            pass
    raise MaError(f"{text!r} is no date of 6 or 8 digits", hint=_COPY)


def _six(day: LabelDate) -> str:
    if day.day is None:
        raise MaError(f"{day} has no day", hint="MA codes have dates with a day")
    return f"{day.year % 100:02d}{day.month:02d}{day.day:02d}"
