"""What a reader sent before, so that what it sends again after a reconnect is known."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from protocols.field.llrp.codec import TagReport

Key = tuple[bytes, int, int, int, bool]


class Repeats:
    """A bounded memory of tag reads by (EPC, antenna, first seen).

    The times are the reader's own, unconverted, so that a clock offset measured anew does not
    make a repeat look new. Beyond ``remembered_max`` the oldest are forgotten.
    """

    def __init__(self, remembered_max: int) -> None:
        self._max: Final = remembered_max
        self._last_seen: OrderedDict[Key, int] = OrderedDict()

    def seen(self, report: TagReport) -> bool:
        """Return whether this tag read came before, and remember it.

        One that was seen longer than before is no repeat: it says something new. A read without
        a first seen time cannot be told from another and is never a repeat.
        """
        utc = report.first_utc_us is not None
        first = report.first_utc_us if utc else report.first_uptime_us
        if first is None:
            return False
        last = report.last_utc_us if utc else report.last_uptime_us
        last = first if last is None else last
        key = (report.epc, report.epc_bits, report.antenna or 0, first, utc)
        known = self._last_seen.get(key)
        if known is not None and last <= known:
            return True
        self._last_seen[key] = last
        if len(self._last_seen) > self._max:
            self._last_seen.popitem(last=False)
        return False

    def __len__(self) -> int:
        return len(self._last_seen)
