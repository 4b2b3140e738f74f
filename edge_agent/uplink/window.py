"""Which bundle goes next: live first, then the backlog, then again what has no receipt.

Pure arithmetic over bundle numbers and a time that the caller gives; it holds no bundle.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from protocols.wire.topics import Channel

STALLS_MAX: Final = 4
"""After so many vain repetitions the wait between them grows no more."""


class Next(NamedTuple):
    """What to send, or for how long to wait; no number and no time: until something happens."""

    number: int | None = None
    channel: Channel = Channel.BUNDLE
    wait_s: float | None = None


class Budget:
    """A token bucket: so many bytes a second, saved up for one second."""

    def __init__(self, bytes_per_s: int, now: float) -> None:
        self._rate = bytes_per_s
        self._tokens = float(bytes_per_s)
        self._at = now

    def spend(self, count: int, now: float) -> None:
        """Take ``count`` bytes; what is more than there was is paid back by waiting."""
        self._fill(now)
        self._tokens -= count

    def wait_s(self, now: float) -> float:
        """Return in how many seconds something may be sent."""
        self._fill(now)
        return max(0.0, -self._tokens / self._rate)

    def _fill(self, now: float) -> None:
        self._tokens = min(float(self._rate), self._tokens + (now - self._at) * self._rate)
        self._at = now


class Window:
    """What of one connection was sent, and what was received for it."""

    def __init__(
        self,
        *,
        receipted: int,
        head: int,
        first: int,
        budget: Budget,
        inflight_max: int,
        unreceipted_max: int,
        resend_after_s: float,
        unreadable: Collection[int] = (),
    ) -> None:
        """Everything between ``receipted`` and ``head`` is backlog; ``first`` is still stored.

        No receipt goes beyond one of ``unreadable``, so behind it nothing is sent again.
        """
        self.receipted = receipted
        self.head = head
        self.inflight = 0  # handed to the broker, not acknowledged by it
        self._budget = budget
        self._inflight_max = inflight_max
        self._unreceipted_max = unreceipted_max
        self._resend_after_s = resend_after_s
        self._unreadable = unreadable
        self._live = self._first_live = head + 1
        self._first = first
        self._backlog = max(receipted + 1, first)
        self._backlog_end = head + 1
        self._since_receipt = 0
        self._waiting_since: float | None = None
        self._stalls = 0

    def next(self, now: float) -> Next:
        """Return what to send now."""
        if self.inflight >= self._inflight_max:
            return Next(wait_s=self._stalled_in(now))
        stalled_in = self._stalled_in(now)
        if stalled_in is not None and stalled_in <= 0:
            self._send_again()
            stalled_in = None
        if self._since_receipt >= self._unreceipted_max:
            return Next(wait_s=stalled_in)
        if self._live <= self.head:
            return Next(self._live, Channel.BUNDLE)
        if self._backlog < self._backlog_end:
            wait = self._budget.wait_s(now)
            if wait <= 0:
                return Next(self._backlog, Channel.BACKLOG)
            return Next(wait_s=wait if stalled_in is None else min(wait, stalled_in))
        return Next(wait_s=stalled_in)

    @property
    def all_sent(self) -> bool:
        """Whether every bundle up to the head was handed to the broker."""
        return self._live > self.head and self._backlog >= self._backlog_end

    def sent(self, sending: Next, size: int, now: float) -> None:
        """Note that what ``next`` returned was handed to the broker (size 0: passed over)."""
        if sending.channel is Channel.BUNDLE:
            self._live += 1
        else:
            self._backlog += 1
            self._budget.spend(size, now)
        if size:
            self.inflight += 1
            self._since_receipt += 1
            if self._waiting_since is None:
                self._waiting_since = now

    def receipt(self, number: int, now: float) -> None:
        """Note a receipt; one that moves on ends a stall."""
        self._since_receipt = 0
        if number > self.receipted:
            self.receipted = number
            self._stalls = 0
            self._backlog = max(self._backlog, number + 1)
            self._waiting_since = now if self._highest_sent() > number else None

    def refill(self, number: int, first: int) -> None:
        """Go back: the aggregator has all up to ``number`` alone."""
        self.receipted = number
        self._first = first
        self._backlog = max(number + 1, first)
        self._backlog_end = self.head + 1
        self._live = self._first_live = self._backlog_end
        self._waiting_since = None

    def _highest_sent(self) -> int:
        return (self._live if self._live > self._first_live else self._backlog) - 1

    def _stalled_in(self, now: float) -> float | None:
        if self._waiting_since is None or self.receipted >= self.head:
            return None
        patience = self._resend_after_s * float(1 << self._stalls)
        return self._waiting_since + patience - now

    def _send_again(self) -> None:
        """Begin again behind the last receipt: fewer each time, until an answer comes."""
        count = max(1, self._unreceipted_max >> (2 * self._stalls))
        self._stalls = min(self._stalls + 1, STALLS_MAX)
        self._since_receipt = 0
        self._waiting_since = None
        if self.receipted + 1 in self._unreadable:
            return
        again = max(self.receipted + 1, self._first)
        end = min(self._live, again + count)
        self._backlog_end = max(end, self._backlog_end if self._backlog < self._backlog_end else 0)
        self._backlog = again
