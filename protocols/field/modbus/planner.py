"""Which registers to ask for in one request: as few requests as limits and gaps allow; pure.

``str(plan)`` prints what will be asked, one request a line, for a person who checks a setup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    most: Mapping[tuple[int, Table], int] | None = None,
) -> Plan:
    """Return the fewest requests that cover all slots, none of them divided, and read the least.

    At a slot whose index is in ``cuts`` a request begins, and no request reads unused registers
    that belong to one of ``walls``. ``most`` is what a unit gives at once of a table, where that
    is less than the limits. Two requests overlap only where their slots do.
    """
    ordered = sorted(slots, key=_place)
    blocks: list[Block] = []
    for place, group in groupby(ordered, key=lambda slot: (slot.unit, slot.table)):
        reach = _Reach(
            most=min(limits.most(place[1]), (most or {}).get(place, 65536)),
            gap=limits.gap(place[1]),
            cuts=cuts,
            walls=tuple(walls),
        )
        blocks.extend(_cover(list(group), reach))
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


class _Reach(NamedTuple):
    """How far a request to one table of one unit may go."""

    most: int
    gap: int
    cuts: frozenset[int]
    walls: tuple[Slot, ...]


def _cover(slots: list[Slot], reach: _Reach) -> list[Block]:
    """Return the fewest requests, and of all such plans the one that reads the least."""
    alike = [list(group) for _, group in groupby(slots, key=lambda slot: (slot.address, slot.end))]
    heads = [group[0] for group in alike]
    cuts = {group[0].index for group in alike if any(slot.index in reach.cuts for slot in group)}
    reach = reach._replace(cuts=frozenset(cuts))
    best: list[_Way | None] = [_Way(requests=0, registers=0, start=0)] + [None] * len(heads)
    for start, way in enumerate(best):
        if way is None or start == len(heads):
            continue
        for stop, end in _stops(heads, start, reach):
            found = _Way(
                requests=way.requests + 1,
                registers=way.registers + end - heads[start].address,
                start=start,
            )
            other = best[stop]
            if other is None or found < other:
                best[stop] = found
    blocks: list[Block] = []
    stop = len(heads)
    while stop and (last := best[stop]) is not None:
        blocks.append(_block([slot for group in alike[last.start : stop] for slot in group]))
        stop = last.start
    return blocks[::-1]


class _Way(NamedTuple):
    """The cheapest way to read the first so many slots; the smaller is the better."""

    requests: int
    registers: int
    start: int  # the first slot of its last request


def _stops(slots: list[Slot], start: int, reach: _Reach) -> Iterator[tuple[int, int]]:
    """Yield where a request may end that begins with a slot: number of slots, first address after.

    That is before unused registers (16 bits count as one), between slots that share registers,
    and where nothing more fits. To part slots that merely touch would save nothing: a request
    that goes on lets the next one begin later.
    """
    worth = 16 if slots[start].table.of_bits else 1
    end = slots[start].end
    for stop in range(start + 1, len(slots)):
        slot = slots[stop]
        fits = (
            slot.index not in reach.cuts
            and slot.address - end <= reach.gap
            and max(end, slot.end) - slots[start].address <= reach.most
            and not any(_stands_between(wall, end, slot) for wall in reach.walls)
        )
        shared = slot.address < end or (
            stop + 1 < len(slots) and slots[stop + 1].address < slot.end
        )
        if not fits or slot.address - end >= worth or shared:
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
