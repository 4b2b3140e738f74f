"""Whether a value was updated while it was read: counters of the equipment, compared; pure.

The protocol does not say that the registers of one answer belong together: equipment may write
them while it answers. Where it keeps a counter that changes with each update, the counter is
read before the value and after it; where it keeps two, one answer holds both and the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from protocols.field.modbus.planner import Block, Slot
from protocols.field.modbus.settings import ModbusSignal

__all__ = ["Guards", "guards_of"]


class _Watch(NamedTuple):
    """One guarded signal; an offset in octets is None where the counter is asked for by itself."""

    signal: int  # its index in the settings
    counter: int  # address of its first, or only, counter
    first: int | None  # where the answer holds what was counted before the value was read
    second: int | None  # and after it


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What to compare for one request."""

    before: tuple[Block, ...]  # counters to ask for before the request
    after: tuple[Block, ...]  # and after it
    watched: tuple[_Watch, ...]

    def torn(
        self, payload: bytes, before: Mapping[int, int | None], after: Mapping[int, int | None]
    ) -> frozenset[int]:
        """Return the signals whose counters differ, or could not be read; counters by address."""
        found = set()
        for watch in self.watched:
            one = _at(payload, watch.first, before.get(watch.counter))
            two = _at(payload, watch.second, after.get(watch.counter))
            if one is None or one != two:
                found.add(watch.signal)
        return frozenset(found)


def guards_of(block: Block, signals: tuple[ModbusSignal, ...]) -> Guards | None:
    """Return what guards the signals of a block, None where none is guarded."""
    watched: list[_Watch] = []
    before: set[int] = set()
    after: set[int] = set()
    for slot in block.slots:
        signal = signals[slot.index]
        if signal.guard is None:
            continue
        first = second = _offset(block, signal.guard)
        if signal.guard_after is not None:
            second = _offset(block, signal.guard_after)
        # A unit that fills its answer register by register has read what lies lower first.
        elif signal.guard > signal.address:
            first = None
        else:
            second = None
        watched.append(_Watch(signal=slot.index, counter=signal.guard, first=first, second=second))
        before |= {signal.guard} if first is None else set()
        after |= {signal.guard} if second is None else set()
    if not watched:
        return None
    return Guards(
        before=tuple(_counter(block, address) for address in sorted(before)),
        after=tuple(_counter(block, address) for address in sorted(after)),
        watched=tuple(watched),
    )


def _counter(block: Block, address: int) -> Block:
    slot = Slot(index=-1, unit=block.unit, table=block.table, address=address, count=1)
    return Block(unit=block.unit, table=block.table, address=address, count=1, slots=(slot,))


def _offset(block: Block, address: int) -> int | None:
    distance = address - block.address
    return distance * 2 if 0 <= distance < block.count else None


def _at(payload: bytes, offset: int | None, asked: int | None) -> int | None:
    return asked if offset is None else int.from_bytes(payload[offset : offset + 2])
