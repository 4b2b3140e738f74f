"""Declared absences of readings: gathered, made sound, and merged where they are too many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from protocols.wire.limits import GAPS_PER_BUNDLE_MAX, HEADER_BYTES_MAX, TEXT_BYTES_MAX
from protocols.wire.reading import WHOLE_GATEWAY, Gap, GapReason, Nanoseconds, Reading

_GAPS_BYTES_MAX: Final = HEADER_BYTES_MAX // 2
_GAP_BYTES: Final = 32  # what a gap takes in a header beside its subject
_TIME_MAX: Final = 2**63 - 1
_SUBJECTS_MAX: Final = 100_000  # names that a source makes up must not fill the memory


def fit(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Return gaps that fit the headers of one cut, covering at least what ``gaps`` cover.

    While they are too many for one header, those of one subject and reason that touch become one.
    While they are too many for ``HEADERS_MAX``: all of one subject and reason; then all of one
    reason, for the whole gateway. Counts are added up where all of them are known. A statement
    that readings came after all must not say too much: the shortest are left out where there is no
    room. They come last.
    """
    said = [_sound(gap) for gap in gaps]
    losses = [gap for gap in said if gap.reason is not GapReason.BACKFILLED]
    came = [gap for gap in said if gap.reason is GapReason.BACKFILLED]
    if len(_parts(said)) > 1:
        losses, came = _joined(losses), _joined(came)
    for merge in (_by_subject, _by_reason):
        if len(_parts(losses)) > HEADERS_MAX:
            losses = merge(losses)
    if len(_parts([*losses, *came])) > HEADERS_MAX:
        came.sort(key=lambda gap: gap.start - gap.end)
        found = [gap for part in _parts([*losses, *came])[:HEADERS_MAX] for gap in part]
        came = found[len(losses) :]
    return (*losses, *came)


def shares(gaps: Iterable[Gap]) -> list[tuple[Gap, ...]]:
    """Return what ``fit`` makes of gaps as one header after the other, one at least."""
    return [tuple(part) for part in _parts(fit(gaps))] or [()]


HEADERS_MAX: Final = 8
"""Headers that the gaps of one cut may take: 4096 of them, where their subjects are not long."""


class OpenGap:
    """A gap that goes on: so many readings refused for one reason, since its first."""

    def __init__(self, subject: str, reason: GapReason) -> None:
        self.count = 0
        self._subject = subject
        self._reason = reason
        self._start: Nanoseconds = 0
        self._end: Nanoseconds = 0

    def add(self, count: int, start: Nanoseconds, end: Nanoseconds) -> None:
        """Count readings refused between ``start`` and ``end``."""
        self._start = min(self._start, start) if self.count else start
        self._end = max(self._end, end) if self.count else end
        self.count += count

    def gap(self) -> Gap:
        """Return the declaration as of now."""
        return Gap(
            subject=self._subject,
            start=self._start,
            end=self._end,
            reason=self._reason,
            count=self.count,
        )


class OpenGaps:
    """Readings refused for one reason, by signal, since the first of them."""

    def __init__(self, reason: GapReason) -> None:
        self.count = 0
        self._reason = reason
        self._open: dict[str, OpenGap] = {}

    def add(self, readings: Iterable[Reading]) -> None:
        """Count readings that were refused."""
        for reading in readings:
            subject = str(reading.signal) or WHOLE_GATEWAY
            if subject not in self._open and len(self._open) >= _SUBJECTS_MAX:
                subject = WHOLE_GATEWAY
            gap = self._open.setdefault(subject, OpenGap(subject, self._reason))
            gap.add(1, reading.gateway_time, reading.gateway_time)
            self.count += 1

    def gaps(self) -> list[Gap]:
        """Return the declarations as of now, one a signal."""
        return [each.gap() for each in self._open.values()]


def _parts(gaps: Iterable[Gap]) -> list[list[Gap]]:
    """Return the gaps in order, as many at a time as a header takes."""
    parts: list[list[Gap]] = []
    room = 0
    for gap in gaps:
        wanted = _GAP_BYTES + len(gap.subject.encode())
        if not parts or wanted > room or len(parts[-1]) == GAPS_PER_BUNDLE_MAX:
            parts.append([])
            room = _GAPS_BYTES_MAX
        parts[-1].append(gap)
        room -= wanted
    return parts


def _sound(gap: Gap) -> Gap:
    """Return the gap as a header can hold it: a clock that stepped back turns its ends around."""
    start, end = sorted(min(max(0, time), _TIME_MAX) for time in (gap.start, gap.end))
    subject = gap.subject.encode("utf-8", "replace")[:TEXT_BYTES_MAX].decode("utf-8", "ignore")
    return Gap(subject=subject, start=start, end=end, reason=gap.reason, count=gap.count)


def _joined(gaps: Iterable[Gap]) -> list[Gap]:
    joined: list[Gap] = []
    for gap in sorted(gaps, key=lambda gap: (gap.subject, gap.reason, gap.start)):
        last = joined[-1] if joined else None
        if last and _key(last) == _key(gap) and gap.start <= last.end:
            joined[-1] = _union(last, gap, gap.subject)
        else:
            joined.append(gap)
    return joined


def _by_subject(gaps: Iterable[Gap]) -> list[Gap]:
    return _envelopes(gaps, _key)


def _by_reason(gaps: Iterable[Gap]) -> list[Gap]:
    return _envelopes(gaps, lambda gap: (WHOLE_GATEWAY, gap.reason))


def _envelopes(gaps: Iterable[Gap], key: Callable[[Gap], tuple[str, GapReason]]) -> list[Gap]:
    found: dict[tuple[str, GapReason], Gap] = {}
    for gap in gaps:
        subject, _ = named = key(gap)
        found[named] = _union(found.get(named, gap), gap, subject) if named in found else gap
    return list(found.values())


def _key(gap: Gap) -> tuple[str, GapReason]:
    return gap.subject, gap.reason


def _union(one: Gap, other: Gap, subject: str) -> Gap:
    known = one.count is not None and other.count is not None
    return Gap(
        subject=subject,
        start=min(one.start, other.start),
        end=max(one.end, other.end),
        reason=one.reason,
        count=(one.count or 0) + (other.count or 0) if known else None,
    )
