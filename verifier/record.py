"""What the verifier reads of a batch record (docs/specs/dossier.md, section "Record")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, cast

from protocols.wire.dossier.instant import parse_time
from protocols.wire.dossier.series import Interval
from protocols.wire.reading import Nanoseconds, Reading, Status
from verifier.document import array, mapping, number, read_json, saying, text
from verifier.errors import RecordError
from verifier.report import show_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A bound of a parameter; a value on it is inside."""

    id: str
    side: Literal["high", "low"]
    value: float

    def outside(self, value: float) -> bool:
        """Tell whether ``value`` breaks the limit."""
        return value > self.value if self.side == "high" else value < self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Excursion:
    """A stretch of time outside a limit; ``end`` is None where it did not end."""

    limit: str
    start: Nanoseconds
    end: Nanoseconds | None
    extreme: float
    readings: int

    def covers(self, time: Nanoseconds) -> bool:
        """Tell whether ``time`` lies in [start, end)."""
        return self.start <= time and (self.end is None or time < self.end)


class SeriesReference(NamedTuple):
    """Which series holds a parameter's readings."""

    name: str
    sha256: str  # hexadecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What the record says of one signal."""

    signal: str
    gateway: str
    intervals: tuple[Interval, ...]
    series: SeriesReference | None  # None where the parameter is not a critical one
    figures: dict[str, Any]
    limits: tuple[Limit, ...]
    excursions: tuple[Excursion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the record says of its lot."""

    gtin: str
    lot: str
    rule: str
    window: Interval
    parameters: tuple[Parameter, ...]  # critical ones, then others


def read_record(data: bytes) -> Record:
    """Return what a record says; RecordError where it does not say what it must."""
    fields = read_json(data, _NAME)
    with saying(_NAME):
        return Record(
            gtin=text(fields["lot"]["gtin"]),
            lot=text(fields["lot"]["lot"]),
            rule=text(fields["rule"]),
            window=_interval([fields["window"]["start"], fields["window"]["end"]]),
            parameters=tuple(
                _parameter(each)
                for each in [
                    *array(fields["parameters"]),
                    *array(fields.get("other_parameters", [])),
                ]
            ),
        )


class TimedReading(NamedTuple):
    """A reading and the time that it is judged by: placed, where the gateway's was in doubt."""

    time: Nanoseconds
    reading: Reading


def judge_figures(parameter: Parameter, timed: Sequence[TimedReading]) -> list[str]:
    """Return what is wrong with a parameter's figures and excursions, given its readings."""
    readings = [each for _, each in timed]
    valid = [(time, each.value) for time, each in timed if _is_valid(each)]
    numbers = cast("list[tuple[Nanoseconds, float]]", valid)
    values = [value for _, value in numbers]
    true: dict[str, object] = {
        "readings": len(readings),
        "good": sum(each.status is Status.GOOD for each in readings),
        "uncertain": sum(each.status is Status.UNCERTAIN for each in readings),
        "bad": sum(each.status is Status.BAD for each in readings),
        "min": min(values, default=None),
        "max": max(values, default=None),
    }
    if "min_time" in parameter.figures:
        true["min_time"] = _first_time(numbers, true["min"])
    if "max_time" in parameter.figures:
        true["max_time"] = _first_time(numbers, true["max"])
    wrong = [
        f"{parameter.signal}: the record says {name} {said!r}, its readings give {true[name]!r}"
        for name in true
        if not _same(said := parameter.figures.get(name, "nothing"), true[name])
    ]
    known = {limit.id for limit in parameter.limits}
    wrong += [
        f"{parameter.signal}: an excursion names {each.limit!r}, which is no limit of it"
        for each in parameter.excursions
        if each.limit not in known
    ]
    for limit in parameter.limits:
        wrong += _judge_excursions(parameter, limit, numbers)
    return wrong


_NAME: Final = "the record"


def _judge_excursions(
    parameter: Parameter, limit: Limit, numbers: Sequence[tuple[Nanoseconds, float]]
) -> list[str]:
    outside = [(time, value) for time, value in numbers if limit.outside(value)]
    excursions = [each for each in parameter.excursions if each.limit == limit.id]
    subject = f"{parameter.signal}, limit {limit.id}"
    wrong = [
        f"{subject}: {value!r} at {show_time(time)} is outside, "
        f"and lies in {covering} excursions of the record, not in one"
        for time, value in outside
        if (covering := sum(each.covers(time) for each in excursions)) != 1
    ]
    for each in excursions:
        within = [(time, value) for time, value in outside if each.covers(time)]
        when = f"{subject}: the excursion from {show_time(each.start)}"
        if not within:
            wrong.append(f"{when} holds no reading outside")
            continue
        values = [value for _, value in within]
        extreme = max(values) if limit.side == "high" else min(values)
        if min(time for time, _ in within) != each.start:
            wrong.append(f"{when} does not start at a reading outside")
        if not _same(each.extreme, extreme):
            wrong.append(f"{when} has the extreme {extreme!r}, the record says {each.extreme!r}")
        if each.readings != len(within):
            wrong.append(f"{when} has {len(within)} readings, the record says {each.readings}")
    return wrong


def _first_time(numbers: Sequence[tuple[Nanoseconds, float]], wanted: object) -> str | None:
    """Return when a value first came, as the record writes it."""
    times = [time for time, value in numbers if value == wanted]
    return show_time(min(times)) if times else None


def _is_valid(reading: Reading) -> bool:
    number = type(reading.value) in (int, float)
    return number and reading.status is not Status.BAD


def _same(said: object, true: object) -> bool:
    """Compare figures: 1 and 1.0 are one number, True is none."""
    return said == true and isinstance(said, bool) is isinstance(true, bool)


def _parameter(fields: dict[str, Any]) -> Parameter:
    return Parameter(
        signal=text(fields["signal"]),
        gateway=text(fields["gateway"]),
        intervals=tuple(_interval(each) for each in array(fields["intervals"])),
        series=None
        if (series := fields["series"]) is None
        else SeriesReference(text(series["name"]), text(series["sha256"])),
        figures=mapping(fields["figures"]),
        limits=tuple(_limit(each) for each in array(fields["limits"])),
        excursions=tuple(
            Excursion(
                limit=text(each["limit"]),
                start=parse_time(text(each["start"])),
                end=None if each["end"] is None else parse_time(text(each["end"])),
                extreme=number(each["extreme"]),
                readings=each["readings"],
            )
            for each in array(fields["excursions"])
        ),
    )


def _limit(fields: dict[str, Any]) -> Limit:
    side = fields["side"]
    if side not in ("high", "low"):
        raise RecordError(f"{side!r} is no side of a limit")
    return Limit(id=text(fields["id"]), side=side, value=number(fields["value"]))


def _interval(item: object) -> Interval:
    start, end = array(item)
    found = Interval(parse_time(text(start)), parse_time(text(end)))
    if found.start > found.end:
        raise RecordError(f"an interval ends before it starts: {start}")
    return found
