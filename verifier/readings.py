"""Checks 13 to 15: the record against its series, and the series against the bundles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from protocols.wire.dossier.file import Dossier
from protocols.wire.dossier.placement import Placement
from protocols.wire.dossier.series import Run, decode_series, read_runs, reading_time, select
from protocols.wire.errors import WireError
from protocols.wire.reading import Reading, SignalName, TagRead
from verifier.bundles import Chains, OpenedBundle
from verifier.errors import RecordError
from verifier.record import Parameter, Record, TimedReading, judge_figures, read_record
from verifier.report import Altered, Check, conclude, show_time
from verifier.salvage import salvage


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingsResult:
    """Checks 13 to 15, and the readings that were altered."""

    checks: tuple[Check, ...]
    altered: tuple[Altered, ...]


def check_readings(dossier: Dossier, chains: Chains) -> ReadingsResult:
    """Hold the record against its series and the bundles."""
    try:
        record = read_record(dossier.record)
    except RecordError as error:
        needed = ["it takes a record that can be read (check 13)"]
        undecided = tuple(conclude(number, "", undecided=needed) for number in (14, 15))
        return ReadingsResult(
            checks=(conclude(13, "", failed=[str(error)]), *undecided), altered=()
        )
    series, unreadable = _read_series(dossier)
    result, figures = _Comparison([], [], []), list[str]()
    for parameter in record.parameters:
        own = None if parameter.series is None else series.get(parameter.series.name)
        if own is not None or parameter.series is None:  # a missing series is named by check 13
            figures += judge_figures(parameter, _compare(parameter, own, chains, result))
    if result.altered:
        result.failed.append(
            f"{len(result.altered)} readings differ between the record and the bundles"
        )
    count = sum(len(run.readings) for each in series.values() for run in each.runs)
    excursions = sum(len(parameter.excursions) for parameter in record.parameters)
    checks = (
        conclude(
            13,
            f"{len(record.parameters)} parameters",
            failed=[*unreadable, *_record_problems(record, dossier)],
        ),
        conclude(
            14,
            f"{count} readings in {len(series)} series",
            failed=result.failed,
            undecided=result.undecided,
        ),
        conclude(15, f"{excursions} excursions", failed=figures),
    )
    return ReadingsResult(checks=checks, altered=tuple(result.altered))


def _timed(reading: Reading, placement: Placement | None) -> TimedReading:
    """Return a reading with the time that it is judged by."""
    return TimedReading(reading_time(reading, placement), reading)


class _Located(NamedTuple):
    """A reading of a parameter and where in its bundle it stands."""

    column: int  # place in the body
    position: int  # place in the column
    reading: Reading


class _Found(NamedTuple):
    """What a bundle holds of a parameter."""

    bundle: OpenedBundle
    readings: list[_Located]
    whole: bool  # all of the bundle could be read


class _Recorded(NamedTuple):
    """A series with its readings."""

    signal: SignalName
    runs: tuple[Run, ...]


_BundleKey = tuple[str, bytes, int]
"""Gateway, epoch and number of a bundle."""


class _Comparison(NamedTuple):
    """What comparing found, gathered over all parameters."""

    failed: list[str]
    undecided: list[str]
    altered: list[Altered]


def _read_series(dossier: Dossier) -> tuple[Mapping[str, _Recorded], list[str]]:
    series, unreadable = {}, []
    for name, data in dossier.series.items():
        try:
            found = decode_series(data)
            series[name] = _Recorded(found.signal, tuple(read_runs(found)))
        except WireError as error:
            unreadable.append(f"series {name}: {error}")
    return series, unreadable


def _record_problems(record: Record, dossier: Dossier) -> Iterator[str]:
    said = dossier.statement
    if (record.gtin, record.lot) != (said.gtin, said.lot):
        yield f"the record is of lot {record.lot} of {record.gtin}, the manifest of {said.lot}"
    if record.rule != said.rule:
        yield f"the record was bound by rule {record.rule}, the manifest states {said.rule}"
    if record.window != said.window:
        yield "the record's window is not the manifest's"
    named = [each.series.name for each in record.parameters if each.series is not None]
    for name in sorted({*named, *dossier.series}):
        if named.count(name) != 1 or name not in dossier.series:
            yield f"series {name} is not held once and named once"
    gateways = {chain.gateway for chain in said.chains}
    for parameter in record.parameters:
        if parameter.series is not None:
            data = dossier.series.get(parameter.series.name, b"")
            if hashlib.sha256(data).hexdigest() != parameter.series.sha256:
                yield f"{parameter.signal}: its series is not the one that the record names by hash"
        if parameter.gateway not in gateways:
            yield f"{parameter.signal}: no bundle of its gateway {parameter.gateway} is held"
        if any(
            start < record.window.start or end > record.window.end
            for start, end in parameter.intervals
        ):
            yield f"{parameter.signal}: an interval reaches out of the record's window"


def _compare(
    parameter: Parameter, series: _Recorded | None, chains: Chains, result: _Comparison
) -> list[TimedReading]:
    """Select the parameter's readings from the bundles again and hold its series against them.

    Returns the readings that its figures must follow from, each with its placed time: the series',
    which is proved or refuted here, or those of the bundles where the parameter has none.
    """
    own = [chain for chain in chains if chain[0].chain.gateway == parameter.gateway]
    held = [_find(parameter, bundle) for chain in own for bundle in chain]
    result.failed.extend(
        f"{found.bundle} holds readings of {parameter.signal} that are the lot's"
        for found in held
        if found.readings and not found.bundle.within
    )
    within = [found for found in held if found.bundle.within]
    if series is None:
        return [
            _timed(each.reading, found.bundle.placement)
            for found in within
            for each in found.readings
        ]
    if series.signal != parameter.signal:
        result.failed.append(f"{parameter.signal}: its series is of {series.signal}")
    recorded: dict[_BundleKey, tuple[Reading, ...]] = {}
    for run in series.runs:
        key = (run.gateway, run.epoch, run.number)
        if key in recorded:
            result.failed.append(f"{parameter.signal}: its series has bundle {run.number} twice")
        recorded[key] = run.readings
    for found in within:
        chain, number = found.bundle.chain, found.bundle.number
        said = recorded.pop((chain.gateway, chain.epoch, number), ())
        _compare_bundle(parameter, found, said, result)
    if recorded:
        result.failed.append(
            f"{parameter.signal}: its series has {len(recorded)} bundles that are not the lot's"
        )
    places = {
        (bundle.chain.gateway, bundle.chain.epoch, bundle.number): bundle.placement
        for chain in own
        for bundle in chain
    }
    return [
        _timed(each, places.get((run.gateway, run.epoch, run.number)))
        for run in series.runs
        for each in run.readings
    ]


def _find(parameter: Parameter, bundle: OpenedBundle) -> _Found:
    columns, whole = (bundle.columns, True) if bundle.proved else salvage(bundle.held)
    readings = [
        _Located(place, position, reading)
        for place, column in sorted(columns.items())
        if column.signal == parameter.signal
        for position, reading in enumerate(column.readings())
        if select((reading,), parameter.intervals, bundle.placement)
    ]
    return _Found(bundle, readings, whole)


def _compare_bundle(
    parameter: Parameter, found: _Found, recorded: Sequence[Reading], result: _Comparison
) -> None:
    bundle = found.bundle
    if recorded and not found.readings and not found.whole:
        times = sorted(reading_time(each, bundle.placement) for each in recorded)
        result.failed.append(
            f"{bundle} cannot be read where it held {len(recorded)} readings of {parameter.signal} "
            f"from {show_time(times[0])} to {show_time(times[-1])}"
        )
        return
    culprit = "record" if bundle.proved and not bundle.misplaced else "bundle"
    differing = list(_differences(recorded, found.readings))
    result.altered.extend(
        _altered(parameter, bundle, culprit, said, located) for said, located in differing
    )
    if not bundle.proved and not differing:
        result.undecided.append(
            f"{bundle} is not proved; the {len(recorded)} readings of {parameter.signal} "
            "in it are as the record has them"
        )


def _differences(
    recorded: Sequence[Reading], found: Sequence[_Located]
) -> Iterator[tuple[Reading | None, _Located | None]]:
    """Pair the readings that differ; where their counts differ, between equal ends."""
    start = 0
    shorter = min(len(recorded), len(found))
    while start < shorter and recorded[start] == found[start].reading:
        start += 1
    end = 0
    while end < shorter - start and recorded[-1 - end] == found[-1 - end].reading:
        end += 1
    middle = zip_longest(recorded[start : len(recorded) - end], found[start : len(found) - end])
    for said, located in middle:
        if said is None or located is None or said != located.reading:
            yield said, located


def _altered(
    parameter: Parameter,
    bundle: OpenedBundle,
    culprit: str,
    said: Reading | None,
    located: _Located | None,
) -> Altered:
    either = said if said is not None else located.reading if located is not None else None
    return Altered(
        signal=parameter.signal,
        time="" if either is None else show_time(reading_time(either, bundle.placement)),
        recorded=None if said is None else _show(said, located and located.reading, bundle),
        found=None if located is None else _show(located.reading, said, bundle),
        gateway=bundle.chain.gateway,
        epoch=bundle.chain.epoch.hex(),
        bundle=bundle.number,
        column=-1 if located is None else located.column,
        index=-1 if located is None else located.position,
        culprit=culprit,
    )


def _show(reading: Reading, other: Reading | None, bundle: OpenedBundle) -> str:
    """Return value and status, and the time where that is what differs from ``other``."""
    value = reading.value
    if isinstance(value, TagRead):
        text = f"{value.epc.hex()} x{value.count}"
    else:
        text = value.hex() if isinstance(value, bytes) else repr(value)
    shown = f"{text} {reading.status.name}"
    if other is not None and (other.value, other.status) == (reading.value, reading.status):
        time = show_time(reading_time(reading, bundle.placement))
        shown += f" (code {reading.code}, at {time})"
    return shown
