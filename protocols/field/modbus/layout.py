"""Where the signals of the settings lie, by the seconds between their polls; pure.

A value between two counters is one slot with them: they are always read together.
"""

from __future__ import annotations

from protocols.field.modbus.planner import Limits, Slot
from protocols.field.modbus.settings import ModbusSettings

__all__ = ["layout", "limits_of"]


def layout(settings: ModbusSettings) -> dict[float, tuple[Slot, ...]]:
    """Return the slots of each period, in the order of the settings; periods ascend."""
    found: dict[float, list[Slot]] = {}
    for index, signal in enumerate(settings.signals):
        address, count = signal.span
        found.setdefault(settings.period_of(signal), []).append(
            Slot(
                index=index,
                unit=settings.unit_of(signal),
                table=signal.table,
                address=address,
                count=count,
                name=signal.name,
            )
        )
    return {period: tuple(found[period]) for period in sorted(found)}


def limits_of(settings: ModbusSettings) -> Limits:
    """Return what one request of the line may ask for."""
    return Limits(
        registers_max=settings.registers_max,
        bits_max=settings.bits_max,
        gap_max=settings.gap_max,
        input_max=settings.input_max,
        discrete_max=settings.discrete_max,
    )
