"""Whether a value was updated while it was read: counters of the equipment, compared; pure.

The protocol does not say that the registers of one answer belong together: equipment may write
them while it answers. Where it keeps a counter that changes with each update, the counter is
asked for before the value and again after it: one in the answer itself would miss an update that
is counted when it begins, or one that is counted when it ends. Where it keeps two, of which one
changes first and the other last, one answer holds both and the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from protocols.field.modbus.planner import Block, Slot, alone
from protocols.field.modbus.settings import ModbusSignal

__all__ = ["Guards", "guards_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What to compare for one request."""

    counters: tuple[Block, ...]  # to ask for before the request and after it
    lone: tuple[_Lone, ...]
    paired: tuple[_Paired, ...]

    def torn(
        self, payload: bytes, before: Mapping[int, int | None], after: Mapping[int, int | None]
    ) -> frozenset[int]:
        """Return the signals whose counters differ, or could not be read; counters by address."""
        found = {
            each.signal
            for each in self.lone
            if before[each.counter] is None or before[each.counter] != after[each.counter]
        }
        for pair in self.paired:
            first, second = (payload[at : at + 2] for at in (pair.first, pair.second))
            if first != second:
                found.add(pair.signal)
        return frozenset(found)


class _Lone(NamedTuple):
    """A signal with one counter."""

    signal: int  # its index in the settings
    counter: int  # address


class _Paired(NamedTuple):
    """A signal between two counters, and where the answer holds them, in octets."""

    signal: int
    first: int
    second: int


def guards_of(block: Block, signals: tuple[ModbusSignal, ...]) -> Guards | None:
    """Return what guards the signals of a block, None where none is guarded."""
    lone: list[_Lone] = []
    paired: list[_Paired] = []
    for slot in block.slots:
        guard, after = signals[slot.index].guard, signals[slot.index].guard_after
        if guard is not None and after is not None:
            first, second = ((address - block.address) * 2 for address in (guard, after))
            paired.append(_Paired(signal=slot.index, first=first, second=second))
        elif guard is not None:
            lone.append(_Lone(signal=slot.index, counter=guard))
    if not (lone or paired):
        return None
    counters = sorted({each.counter for each in lone})
    return Guards(
        counters=tuple(_counter(block, address) for address in counters),
        lone=tuple(lone),
        paired=tuple(paired),
    )


def _counter(block: Block, address: int) -> Block:
    return alone(Slot(index=-1, unit=block.unit, table=block.table, address=address, count=1))
