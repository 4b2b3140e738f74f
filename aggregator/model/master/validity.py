"""For how long something of the master data holds: a half-open interval of time."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.errors import InvalidError
from protocols.wire.reading import Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """``[start, end)``; without an end it holds until something else takes its place."""

    start: Nanoseconds = 0
    end: Nanoseconds | None = None

    def __post_init__(self) -> None:
        """Refuse an interval that holds at no time."""
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise InvalidError("what holds ends after it starts, and starts in 1970 or later")

    def holds(self, time: Nanoseconds) -> bool:
        """Tell whether ``time`` lies within."""
        return self.start <= time and (self.end is None or time < self.end)

    def overlaps(self, other: Validity) -> bool:
        """Tell whether there is a time at which both hold."""
        return (other.end is None or self.start < other.end) and (
            self.end is None or other.start < self.end
        )


ALWAYS = Validity()
"""What nobody has limited."""
