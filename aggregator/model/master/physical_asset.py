"""Physical assets, where each was installed when, and their calibrations (ISA-95, ISO 13485 7.6).

Equipment is a role in the plant; a physical asset is the thing that fills it for a time. A reading
is judged by the sensor that was installed when it was taken, and by that sensor's calibration then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from aggregator.errors import InvalidError
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.validity import Validity
from aggregator.model.series import SignalKey
from protocols.identifiers.errors import Gs1Error
from protocols.identifiers.gs1.elements import check_value
from protocols.wire.reading import Nanoseconds

PhysicalAssetId = NewType("PhysicalAssetId", str)
"""A GIAI (GS1, AI 8004), or a serial number that is unique in the plant."""

CertificateId = NewType("CertificateId", str)
"""Number of the certificate of a calibration, unique in the plant."""


class Outcome(StrEnum):
    """What a calibration found."""

    PASSED = "passed"  # within its tolerance
    FAILED = "failed"  # outside of it
    NOT_TESTED = "not_tested"  # a new asset has no state as found


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalAsset:
    """A thing with a serial number: a press, a sensor, a reader."""

    id: PhysicalAssetId
    name: str = ""
    maker: str = ""
    model: str = ""
    serial: str = ""  # the maker's, where the id is a GIAI


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A physical asset fills a role for a time: a place, or the sensor behind a signal."""

    physical_asset: PhysicalAssetId
    role: EquipmentPath | SignalKey
    validity: Validity


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was found and left when a physical asset, or the loop of a signal, was calibrated."""

    certificate: CertificateId
    subject: PhysicalAssetId | SignalKey
    performed: Nanoseconds
    as_found: Outcome
    as_left: Outcome
    validity: Validity  # ends when the next calibration is due

    def __post_init__(self) -> None:
        """Refuse one that holds before it was performed."""
        if self.validity.start < self.performed:
            raise InvalidError("a calibration holds from when it was performed, not before")

    @property
    def next_due(self) -> Nanoseconds | None:
        """When it must have been repeated; None: never."""
        return self.validity.end


class CalibrationState(StrEnum):
    """How the calibration of a signal stood at a time."""

    CALIBRATED = "calibrated"
    OVERDUE = "overdue"  # the last one had run out
    FAILED = "failed"  # the last one left it outside of its tolerance
    NONE = "none"  # nobody has said that it was ever calibrated


def installed_at(
    installations: Iterable[Installation], role: EquipmentPath | SignalKey, time: Nanoseconds
) -> Installation | None:
    """Return what filled a role at a time; of several, what was installed last."""
    holding = [each for each in installations if each.role == role and each.validity.holds(time)]
    return max(holding, key=lambda each: (each.validity.start, each.physical_asset), default=None)


def calibrations_at(
    calibrations: Iterable[Calibration],
    installations: Iterable[Installation],
    signal: SignalKey,
    time: Nanoseconds,
) -> list[Calibration]:
    """Return what says how well a signal measured at a time, in order of when it was performed.

    Those of its loop, and those of the sensor that was installed behind it at that time; the ones
    performed later are among them, since they may find that it had failed.
    """
    sensor = installed_at(installations, signal, time)
    subjects = {signal, None if sensor is None else sensor.physical_asset}
    found = [each for each in calibrations if each.subject in subjects]
    return sorted(found, key=lambda each: (each.performed, each.certificate))


def calibration_state(
    calibrations: Iterable[Calibration], time: Nanoseconds
) -> tuple[CalibrationState, Calibration | None]:
    """Return how one subject stood at a time, and the calibration that says so.

    ``calibrations`` are of that subject; those performed after ``time`` do not count.
    """
    earlier = (each for each in calibrations if each.performed <= time)
    last = max(earlier, key=lambda each: (each.performed, each.certificate), default=None)
    if last is None:
        return CalibrationState.NONE, None
    if last.as_left is Outcome.FAILED:
        return CalibrationState.FAILED, last
    state = CalibrationState.CALIBRATED if last.validity.holds(time) else CalibrationState.OVERDUE
    return state, last


def doubted(calibrations: Iterable[Calibration]) -> Iterator[tuple[Validity, Calibration]]:
    """Yield the times in doubt since a calibration failed as found, with that calibration.

    From the last good one (or the beginning) to the failed one: every lot in between is reopened
    (record.md section 2, rule 15). ``calibrations`` are of one subject.
    """
    good = 0
    for each in sorted(calibrations, key=lambda each: (each.performed, each.certificate)):
        if each.as_found is Outcome.FAILED and each.performed > good:
            yield Validity(start=good, end=each.performed), each
        if each.as_left is not Outcome.FAILED:
            good = each.performed


def check_physical_asset_id(text: str) -> PhysicalAssetId:
    """Return ``text`` as an id; InvalidError for what is neither a GIAI nor a serial number.

    A GIAI is written behind its AI, ``(8004)0950600…``; anything else is a serial number of 1 to 60
    printable characters without a space or ``@``.
    """
    serial = text.removeprefix("(8004)")
    try:
        if serial != text:
            check_value("8004", serial)
    except Gs1Error as error:
        raise InvalidError(f"{text[:60]!r} is not a GIAI: {error}", hint=error.hint) from None
    if not 1 <= len(serial) <= 60 or not serial.isprintable() or set(serial) & set("@ "):
        raise InvalidError(
            f"{text[:60]!r} is no id of a physical asset",
            hint="a GIAI as (8004)…, or a serial number of 1 to 60 characters, no space, no @",
        )
    return PhysicalAssetId(text)
