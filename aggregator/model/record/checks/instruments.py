"""Checks of what the readings were taken with: every sensor calibrated while it measured."""

from __future__ import annotations

from collections.abc import Iterable

from aggregator.model.master.physical_asset import CalibrationState
from aggregator.model.record.batch_record import ParameterResult
from aggregator.model.record.exceptions import ExceptionItem as Item
from aggregator.model.record.exceptions import ExceptionKind as Kind
from aggregator.model.record.exceptions import Ledger


def calibrations(ledger: Ledger, results: Iterable[ParameterResult]) -> None:
    """Check that the sensor of each parameter was calibrated as long as it measured the lot.

    Where nobody has ever said anything of sensor or calibration, there is nothing to check it
    against: the record's instruments show the place empty.
    """
    for result in results:
        for each in result.instruments:
            if each.state is None:
                continue
            doubtful = Item(
                kind=Kind.CALIBRATION,
                subject=result.spec.parameter,
                start=each.start,
                end=each.end,
                details={
                    "state": each.state.value,
                    "sensor": each.sensor or "",
                    "certificate": each.certificate or "",
                    "reason": each.reason,
                },
            )
            fine = each.state is CalibrationState.CALIBRATED
            ledger.judge(Kind.CALIBRATION, [] if fine else [doubtful])
