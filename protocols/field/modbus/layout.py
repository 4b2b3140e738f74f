"""Where the signals of the settings lie, by the seconds between their polls; pure.

A guarded value and its counters are one slot where one request may hold them: they are then
always read together.
"""

from __future__ import annotations

from protocols.field.modbus.planner import Limits, Slot
from protocols.field.modbus.settings import ModbusSettings, ModbusSignal

__all__ = ["layout", "limits_of"]


def layout(settings: ModbusSettings) -> dict[float, tuple[Slot, ...]]:
    """Return the slots of each period, in the order of the settings; periods ascend."""
    limits = limits_of(settings)
    found: dict[float, list[Slot]] = {}
    for index, signal in enumerate(settings.signals):
        address, count = _span(signal, limits)
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


def _span(signal: ModbusSignal, limits: Limits) -> tuple[int, int]:
    """Return first address and count, with the guards where they are near enough."""
    address, count = signal.guarded_span
    near = count - signal.count <= limits.gap(signal.table) + _GUARD
    if signal.guard_after is not None or (near and count <= limits.most(signal.table)):
        return address, count
    return signal.address, signal.count


_GUARD = 1  # the register of the counter itself is not read for nothing
