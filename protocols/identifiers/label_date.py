"""Dates as labels print them: to the hour, the day or the month, with two digits of a year or four.

A label's date is kept to the precision that it has. Two digits of a year are read within the window
of the GS1 General Specifications, section 7.12, which the other agencies share: no more than 50
years ahead of this year and 49 behind.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

__all__ = ["LabelDate", "full_year"]


@dataclass(frozen=True, slots=True, order=True)
class LabelDate:
    """A month, and a day and an hour where the label has them; raises ValueError for none such."""

    year: int
    month: int
    day: int | None = None
    hour: int | None = None

    def __post_init__(self) -> None:
        date(self.year, self.month, self.day or 1)
        if self.day == 0 or not (self.hour is None or (self.day and 0 <= self.hour <= 23)):
            raise ValueError(f"{self.day}, {self.hour}: no day and hour")

    def __str__(self) -> str:
        """Return the date in ISO 8601, to its precision: ``2027-12`` or ``2027-12-31T14``."""
        day = "" if self.day is None else f"-{self.day:02d}"
        hour = "" if self.hour is None else f"T{self.hour:02d}"
        return f"{self.year:04d}-{self.month:02d}{day}{hour}"

    @property
    def last_day(self) -> date:
        """The day itself, or the last of the month (General Specifications, section 3.4)."""
        day = self.day or monthrange(self.year, self.month)[1]
        return date(self.year, self.month, day)

    @classmethod
    def of_ordinal(cls, year: int, day_of_year: int, hour: int | None = None) -> LabelDate:
        """Return the date of a day counted from 1 January as 1; raises ValueError."""
        day = date(year, 1, 1) + timedelta(days=day_of_year - 1)
        if day.year != year:
            raise ValueError(f"{year} has no day {day_of_year}")
        return cls(day.year, day.month, day.day, hour)


def full_year(two_digits: int, this_year: int) -> int:
    """Return the year that two digits mean in ``this_year`` (section 7.12)."""
    year = this_year - this_year % 100 + two_digits
    if year - this_year >= 51:
        return year - 100
    return year + 100 if year - this_year <= -50 else year
