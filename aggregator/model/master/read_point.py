"""When a carrier counts as present where a reader looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from aggregator.errors import InvalidError
from protocols.wire.reading import SECOND, Nanoseconds


class Travel(NamedTuple):
    """The least time that a carrier takes from a place, or any below it, to a read point."""

    origin: str  # path of equipment
    least: Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceRule:
    """From reads of a tag to the stay of a carrier; RSSI in hundredths of a dB.

    Readers miss tags: of one that is read rarely, a longer silence is needed to believe that it has
    left. It is ``missed_reads`` times the mean time between its reads, but never less than
    ``exit_timeout`` nor more than ``exit_timeout_max`` (after Jeffery, Garofalakis and Franklin,
    Adaptive Cleaning for RFID Data Streams, VLDB 2006: a window that is as long as the rate of
    reads makes needed).
    """

    reads_min: int = 2  # reads of one stay; fewer are a stray read
    exit_timeout: Nanoseconds = 5 * SECOND  # silence after which a tag that is read often has left
    exit_timeout_max: Nanoseconds = 30 * SECOND  # and one that is read as rarely as can be
    missed_reads: int = 5  # reads in a row that a tag that is there may lack
    rssi_margin: int = 600  # by how much one place must read a tag better than another to have it
    travel_min: Nanoseconds = 0  # that a carrier takes from any other read point to this one
    travels: tuple[Travel, ...] = ()  # from places of which more is known, in any order

    def __post_init__(self) -> None:
        """Refuse figures that contradict each other."""
        if self.reads_min < 1 or self.missed_reads < 0 or self.rssi_margin < 0:
            raise InvalidError("reads and margins are not below zero, and one read is the least")
        if not 0 <= self.exit_timeout <= self.exit_timeout_max or self.travel_min < 0:
            raise InvalidError(
                "an exit timeout is not below zero, nor above the greatest one",
                hint="raise exit_timeout_max along with exit_timeout",
            )
        if len({each.origin for each in self.travels}) < len(self.travels):
            raise InvalidError("a way is given twice", hint="give one time for each origin")
        if any(each.least < 0 for each in self.travels):
            raise InvalidError("a way takes no time below zero")

    def least_from(self, place: str) -> Nanoseconds:
        """Return the least time from a place: that of the nearest one above it, or any other's."""
        ways = {each.origin: each.least for each in self.travels}
        while place not in ways and place:
            place = place.rpartition("/")[0]
        return ways.get(place, self.travel_min)
