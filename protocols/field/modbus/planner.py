"""Which registers to ask for in one request: as few requests as limits and gaps allow; pure.

``str(plan)`` prints what will be asked, one request a line, for a person who checks a setup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from protocols.field.modbus.settings import Table

__all__ = ["Block", "Limits", "Plan", "Slot", "alone", "halves", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where one signal lies."""

    index: int  # of the signal in the settings
    unit: int
    table: Table
    address: int
    count: int  # registers, or bits in a table of bits
    name: str = ""  # for print alone

    @property
    def end(self) -> int:
        """The first address after the signal."""
        return self.address + self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may ask for."""

    registers_max: int  # of holding registers, and of input registers where none is named
    bits_max: int  # of coils, and of discrete inputs where none is named
    gap_max: int  # unused registers read along to save a request; 16 bits count as one
    input_max: int | None = None
    discrete_max: int | None = None

    def most(self, table: Table) -> int:
        """Return the most registers, or bits, that one request to the table may ask for."""
        match table:
            case Table.INPUT:
                return self.input_max or self.registers_max
            case Table.DISCRETE:
                return self.discrete_max or self.bits_max
            case _:
                return self.bits_max if table.of_bits else self.registers_max

    def gap(self, table: Table) -> int:
        """Return the most unused registers, or bits, between two signals of one request."""
        return self.gap_max * 16 if table.of_bits else self.gap_max


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One request and the signals that its answer holds, by address."""

    unit: int
    table: Table
    address: int
    count: int
    slots: tuple[Slot, ...]

    @property
    def unused(self) -> int:
        """Registers, or bits, that are read for nothing."""
        used: set[int] = set()
        for slot in self.slots:
            used.update(range(slot.address, slot.end))
        return self.count - len(used)

    def __str__(self) -> str:
        names = ", ".join(slot.name or str(slot.index) for slot in self.slots)
        return (
            f"unit {self.unit} {self.table} {self.address} to {self.address + self.count - 1} "
            f"({self.count}): {names}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The requests of one poll, by unit, table and address."""

    blocks: tuple[Block, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.blocks))


def plan(
    slots: Iterable[Slot],
    limits: Limits,
    *,
    cuts: frozenset[int] = frozenset(),
    walls: Iterable[Slot] = (),
) -> Plan:
    """Return the fewest requests that cover all slots, none of them divided, and read the least.

    A slot whose index is in ``cuts`` begins a request, and no request reads unused registers that
    belong to one of ``walls``. Two requests overlap only where their slots do.
    """
    ordered = sorted(slots, key=_place)
    blocks: list[Block] = []
    for _, group in groupby(ordered, key=lambda slot: (slot.unit, slot.table)):
        blocks.extend(_cover(list(group), limits, cuts, tuple(walls)))
    return Plan(blocks=tuple(blocks))


def alone(slot: Slot) -> Block:
    """Return the request for one signal."""
    return _block([slot])


def halves(block: Block) -> tuple[Block, Block] | None:
    """Return the block in two requests, or None where all its slots begin at one address."""
    starts = sorted({slot.address for slot in block.slots})
    if len(starts) == 1:
        return None
    middle = starts[len(starts) // 2]
    lower = [slot for slot in block.slots if slot.address < middle]
    upper = [slot for slot in block.slots if slot.address >= middle]
    return _block(lower), _block(upper)


def _place(slot: Slot) -> tuple[int, str, int, int, int]:
    return slot.unit, slot.table.value, slot.address, slot.end, slot.index


def _cover(
    slots: list[Slot], limits: Limits, cuts: frozenset[int], walls: tuple[Slot, ...]
) -> list[Block]:
    """Return the fewest requests, and of all such plans the one that reads the least.

    Where a request may end as well after unused registers as before them, it ends before them.
    Signals that touch are never parted for less than a full request: that would save nothing.
    """
    best: list[_Way | None] = [_Way(requests=0, registers=0, start=0)] + [None] * len(slots)
    for start, way in enumerate(best):
        if way is None or start == len(slots):
            continue
        for stop, end in _stops(slots, start, limits, cuts, walls):
            found = _Way(
                requests=way.requests + 1,
                registers=way.registers + end - slots[start].address,
                start=start,
            )
            other = best[stop]
            if other is None or found < other:
                best[stop] = found
    blocks: list[Block] = []
    stop = len(slots)
    while stop and (last := best[stop]) is not None:
        blocks.append(_block(slots[last.start : stop]))
        stop = last.start
    return blocks[::-1]


class _Way(NamedTuple):
    """The cheapest way to read the first so many slots; the smaller is the better."""

    requests: int
    registers: int
    start: int  # the first slot of its last request


def _stops(
    slots: list[Slot],
    start: int,
    limits: Limits,
    cuts: frozenset[int],
    walls: tuple[Slot, ...],
) -> Iterator[tuple[int, int]]:
    """Yield where a request may end that begins with a slot: number of slots, first address after.

    That is before each stretch of unused registers within reach, and where nothing more fits.
    """
    table = slots[start].table
    most, gap = limits.most(table), limits.gap(table)
    end = slots[start].end
    for stop in range(start + 1, len(slots)):
        slot = slots[stop]
        fits = (
            slot.index not in cuts
            and slot.address - end <= gap
            and max(end, slot.end) - slots[start].address <= most
            and not any(_stands_between(wall, end, slot) for wall in walls)
        )
        if not fits or slot.address > end:
            yield stop, end
        if not fits:
            return
        end = max(end, slot.end)
    yield len(slots), end


def _stands_between(wall: Slot, end: int, slot: Slot) -> bool:
    """Whether the unused registers from ``end`` up to ``slot`` touch the wall."""
    same = (wall.unit, wall.table) == (slot.unit, slot.table)
    return same and wall.address < slot.address and max(end, wall.address) < wall.end


def _block(slots: list[Slot]) -> Block:
    first = slots[0]
    return Block(
        unit=first.unit,
        table=first.table,
        address=first.address,
        count=max(slot.end for slot in slots) - first.address,
        slots=tuple(slots),
    )
