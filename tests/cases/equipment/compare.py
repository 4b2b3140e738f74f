"""What arrived against what a case expects: every difference as a sentence, none where it holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from protocols.wire.reading import Gap, GapReason, Nanoseconds, Reading, Status, TagRead, Value
from tests.cases.equipment.case import Expected, ExpectedGap, Told

__all__ = ["Outcome", "Seen", "differences", "naive_outcome", "plain", "seen_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A reading that came, and when; of a polled source a run of them that tells the same."""

    told: Told
    first: Nanoseconds  # gateway time
    last: Nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run."""

    readings: Mapping[str, Sequence[Seen]]
    gaps: Sequence[Gap] = ()
    errors: Sequence[str] = ()  # each with its hint
    counters: Mapping[str, int] = field(default_factory=dict)
    breaches: Sequence[str] = ()  # of what every driver must hold, whatever the case


def differences(expected: Expected, seen: Outcome, *, polled: bool = False) -> list[str]:
    """Return what came otherwise than expected.

    A polled source declares polls that a busy computer had no time for, which says nothing of the
    equipment: an OVERRUN counts where the case expects one.
    """
    return [
        *seen.breaches,
        *_readings(expected, seen),
        *_gaps(expected, seen, polled=polled),
        *_errors(expected, seen),
        *_counters(expected, seen),
    ]


def seen_of(readings: Iterable[Reading], *, polled: bool) -> dict[str, list[Seen]]:
    """Return readings by signal as a case writes them, in the order in which they came."""
    found: dict[str, list[Seen]] = {}
    for reading in readings:
        told = Told(value=plain(reading.value), status=reading.status, code=reading.code)
        time, own = reading.gateway_time, found.setdefault(reading.signal, [])
        if polled and own and own[-1].told == told:
            own[-1] = replace(own[-1], last=time)
        else:
            own.append(Seen(told=told, first=time, last=time))
    return found


def naive_outcome(expected: Expected) -> Outcome:
    """Return what the naive rule would have given, each thing in a moment of its own."""
    naive, moment = expected.naive, count()
    return Outcome(
        readings={
            signal: [Seen(told=told, first=next(moment), last=next(moment)) for told in own]
            for signal, own in naive.readings.items()
        },
        gaps=[
            Gap(subject=each.subject, start=next(moment), end=next(moment), reason=each.reason)
            for each in naive.gaps
        ],
        errors=expected.errors,
        counters=expected.counters,
    )


def plain(value: Value | None) -> object:
    """Return a value as TOML can write it: octets and EPCs in hexadecimal."""
    if isinstance(value, TagRead):
        return value.epc.hex()
    return value.hex() if isinstance(value, bytes) else value


def _readings(expected: Expected, seen: Outcome) -> Iterator[str]:
    for signal in sorted(expected.readings.keys() | seen.readings.keys()):
        if signal not in expected.not_compared and not _all_fit(expected, seen, signal):
            wanted = expected.readings.get(signal, ())
            came = [each.told for each in seen.readings.get(signal, ())]
            yield f"{signal}: expected {_said(wanted)}; came {_said(came)}"


def _all_fit(expected: Expected, seen: Outcome, signal: str) -> bool:
    wanted, came = expected.readings.get(signal, ()), seen.readings.get(signal, ())
    return len(wanted) == len(came) and all(
        _fits(each, other.told) for each, other in zip(wanted, came, strict=True)
    )


def _fits(wanted: Told, came: Told) -> bool:
    if (wanted.status, wanted.code) != (came.status, came.code):
        return False
    if wanted.like:
        return re.search(wanted.like, str(came.value)) is not None
    return type(wanted.value) is type(came.value) and wanted.value == came.value


def _said(readings: Sequence[Told]) -> str:
    return "[" + ", ".join(map(_word, readings)) + "]"


def _word(told: Told) -> str:
    value = f"like {told.like}" if told.like else repr(told.value)
    return value if told.status is Status.GOOD else f"{value} {told.status.name} {told.code:#x}"


def _gaps(expected: Expected, seen: Outcome, *, polled: bool) -> Iterator[str]:
    wanted = Counter((each.subject, each.reason.name) for each in expected.gaps)
    came = Counter((each.subject, each.reason.name) for each in seen.gaps)
    if polled:
        overruns = {each for each in came if each[1] == GapReason.OVERRUN.name}
        for each in overruns:
            came[each] = min(came[each], wanted[each])
    for missing in (wanted - came).elements():
        yield f"no gap {missing}"
    for extra in (came - wanted).elements():
        yield f"a gap {extra} that nobody expects"
    for gap in expected.gaps:
        if gap.signal and not any(_lies(expected, gap, each, seen) for each in seen.gaps):
            yield f"no gap {gap.reason.name} of {gap.subject} between {gap.after} and {gap.before}"


def _lies(expected: Expected, wanted: ExpectedGap, gap: Gap, seen: Outcome) -> bool:
    """Tell whether a gap began after one value came and ended before another one did."""
    if (gap.subject, gap.reason) != (wanted.subject, wanted.reason):
        return False
    if not _all_fit(expected, seen, wanted.signal):
        return True  # that is the difference to tell of
    came = seen.readings[wanted.signal]
    values = [each.told.value for each in came]
    after, before = came[values.index(wanted.after)], came[_last(values, wanted.before)]
    return after.last <= gap.start <= gap.end <= before.first


def _last(values: Sequence[object], value: object) -> int:
    return len(values) - 1 - values[::-1].index(value)


def _errors(expected: Expected, seen: Outcome) -> Iterator[str]:
    for pattern in expected.errors:
        if not any(re.search(pattern, error, re.DOTALL) for error in seen.errors):
            yield f"nobody said {pattern!r}; said was {sorted(set(seen.errors))}"
    for error in sorted(set(seen.errors)):
        allowed = (*expected.errors, *expected.perhaps)
        if not any(re.search(pattern, error, re.DOTALL) for pattern in allowed):
            yield f"nobody expects {error!r}"


def _counters(expected: Expected, seen: Outcome) -> Iterator[str]:
    for name, wanted in expected.counters.items():
        if seen.counters.get(name) != wanted:
            yield f"{name}: expected {wanted}; counted {seen.counters.get(name)}"
