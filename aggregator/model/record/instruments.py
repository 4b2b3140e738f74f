"""By which sensor a signal was read, and how that sensor's calibration stood at the time.

Looked up at the time of the readings, not of the record; a calibration performed later counts where
it found that the one before had failed: all since the last good one is in doubt then (rule 15).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from aggregator.model.binding.bind import Span
from aggregator.model.master.physical_asset import (
    Calibration,
    CalibrationState,
    CertificateId,
    Installation,
    PhysicalAssetId,
    calibration_state,
    doubted,
    installed_at,
)
from aggregator.model.master.validity import Validity
from aggregator.model.series import SignalKey
from protocols.wire.reading import Nanoseconds


class Instrument(NamedTuple):
    """How a signal was measured over ``[start, end)``."""

    start: Nanoseconds
    end: Nanoseconds
    sensor: PhysicalAssetId | None  # None: nobody has said which it was
    state: CalibrationState | None  # None: nobody has ever said anything of sensor or calibration
    certificate: CertificateId | None  # of the calibration that says so
    reason: str  # which half of it failed: as_found, as_left; empty where none did


def instruments(
    signal: SignalKey,
    when: Sequence[Span],
    installations: Iterable[Installation],
    calibrations: Iterable[Calibration],
) -> tuple[Instrument, ...]:
    """Return how a signal was measured over its spans, in order; what stays the same is one."""
    fitted = [each for each in installations if each.role == signal]
    subjects = {signal, *(each.physical_asset for each in fitted)}
    own = [each for each in calibrations if each.subject in subjects]
    found: list[Instrument] = []
    for span in when:
        start, end = span.start.time, span.end.time
        edges = {start, end, *(each for each in _edges(fitted, own) if start < each < end)}
        for since, until in pairwise(sorted(edges)):
            piece = _piece(signal, since, until, fitted, own)
            last = found[-1] if found else None
            if last is not None and last.end == since and last[2:] == piece[2:]:
                found[-1] = last._replace(end=until)
            else:
                found.append(piece)
    return tuple(found)


def _edges(fitted: Iterable[Installation], own: Iterable[Calibration]) -> Iterator[Nanoseconds]:
    """Yield every time at which the answer may change."""
    for installation in fitted:
        yield from _bounds(installation.validity)
    for calibration in own:
        yield calibration.performed
        yield from _bounds(calibration.validity)


def _bounds(validity: Validity) -> Iterator[Nanoseconds]:
    yield validity.start
    if validity.end is not None:
        yield validity.end


def _piece(
    signal: SignalKey,
    start: Nanoseconds,
    end: Nanoseconds,
    fitted: Sequence[Installation],
    calibrations: Sequence[Calibration],
) -> Instrument:
    """Return how it stood over a stretch in which nothing changes: the worst of all that is said.

    A sensor that is known, and that nobody has calibrated, is told so; a signal of which nobody has
    named the sensor is not judged.
    """
    installed = installed_at(fitted, signal, start)
    sensor = None if installed is None else installed.physical_asset
    found: list[_Standing] = []
    for subject in (signal, sensor):
        own = [each for each in calibrations if each.subject == subject]
        if own:
            found += _standings(own, start)
    if not found and sensor is not None:
        found.append(_Standing(CalibrationState.NONE, None, ""))
    worst = min(found, key=_rank, default=_Standing(None, None, ""))
    return Instrument(start, end, sensor, *worst)


class _Standing(NamedTuple):
    state: CalibrationState | None
    certificate: CertificateId | None
    reason: str


def _standings(own: Sequence[Calibration], time: Nanoseconds) -> Iterator[_Standing]:
    """Yield what the calibrations of one subject say of a time."""
    for doubt, failed in doubted(own):
        if doubt.holds(time):
            yield _Standing(CalibrationState.FAILED, failed.certificate, "as_found")
    state, last = calibration_state(own, time)
    reason = "as_left" if state is CalibrationState.FAILED else ""
    yield _Standing(state, None if last is None else last.certificate, reason)


_WORST_FIRST: Final = (
    CalibrationState.FAILED,
    CalibrationState.OVERDUE,
    CalibrationState.CALIBRATED,  # by its loop, where its sensor has no certificate, or the reverse
    CalibrationState.NONE,
)


def _rank(standing: _Standing) -> tuple[int, str]:
    place = len(_WORST_FIRST) if standing.state is None else _WORST_FIRST.index(standing.state)
    return place, standing.certificate or ""
