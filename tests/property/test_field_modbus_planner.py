"""Every signal is covered, no limit is passed, and nothing is asked for twice without need."""

from __future__ import annotations

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from protocols.field.modbus.planner import Block, Limits, Slot, alone, halves, plan
from protocols.field.modbus.settings import Table

LIMITS = st.builds(
    Limits,
    registers_max=st.integers(4, 125),
    bits_max=st.integers(1, 2000),
    gap_max=st.integers(0, 40),
)


@st.composite
def slots(draw: st.DrawFn) -> list[Slot]:
    found = []
    for index in range(draw(st.integers(0, 30))):
        table = draw(st.sampled_from(Table))
        count = 1 if table.of_bits else draw(st.integers(1, 4))
        found.append(
            Slot(
                index=index,
                unit=draw(st.integers(1, 2)),
                table=table,
                address=draw(st.integers(0, 300)),
                count=count,
            )
        )
    return found


def groups(blocks: tuple[Block, ...]) -> list[list[Block]]:
    return [
        list(group) for _, group in groupby(blocks, key=lambda block: (block.unit, block.table))
    ]


@given(slots=slots(), limits=LIMITS)
def test_every_signal_is_covered_once_and_whole(slots: list[Slot], limits: Limits) -> None:
    blocks = plan(slots, limits).blocks
    assert sorted(slot.index for block in blocks for slot in block.slots) == [
        slot.index for slot in slots
    ]
    for block in blocks:
        for slot in block.slots:
            assert (slot.unit, slot.table) == (block.unit, block.table)
            assert block.address <= slot.address
            assert slot.end <= block.address + block.count


@given(slots=slots(), limits=LIMITS)
def test_no_request_passes_a_limit(slots: list[Slot], limits: Limits) -> None:
    for block in plan(slots, limits).blocks:
        most = limits.bits_max if block.table.of_bits else limits.registers_max
        assert 1 <= block.count <= most
        used = {place for slot in block.slots for place in range(slot.address, slot.end)}
        assert min(used) == block.address
        assert max(used) == block.address + block.count - 1
        unused = 0
        for place in range(block.address, block.address + block.count):
            unused = 0 if place in used else unused + 1
            assert unused <= limits.gap(block.table)


@given(slots=slots(), limits=LIMITS)
def test_requests_overlap_only_where_signals_do(slots: list[Slot], limits: Limits) -> None:
    for group in groups(plan(slots, limits).blocks):
        for before, after in pairwise(group):
            shared = range(after.address, before.address + before.count)
            for place in shared:
                assert any(slot.address <= place < slot.end for slot in before.slots)
            if shared:
                assert any(slot.end > after.address for slot in before.slots)


@given(
    places=st.lists(
        st.tuples(st.integers(0, 24), st.integers(1, 4)), min_size=1, max_size=7, unique=True
    ),
    most=st.integers(4, 12),
    gap=st.integers(0, 6),
)
def test_no_other_plan_asks_less_or_reads_less(
    places: list[tuple[int, int]], most: int, gap: int
) -> None:
    limits = Limits(registers_max=most, bits_max=1, gap_max=gap)
    slots = [
        Slot(index=index, unit=1, table=Table.HOLDING, address=address, count=count)
        for index, (address, count) in enumerate(sorted(places))
    ]
    blocks = plan(slots, limits).blocks
    assert (len(blocks), sum(block.count for block in blocks)) == _cheapest(slots, limits)


def _cheapest(slots: list[Slot], limits: Limits) -> tuple[int, int]:
    """Return requests and registers of the best of all ways to part the slots in their order."""
    found = []
    for breaks in range(2 ** (len(slots) - 1)):
        parts, rest = list[list[Slot]](), [slots[0]]
        for at, slot in enumerate(slots[1:]):
            if breaks >> at & 1:
                parts, rest = [*parts, rest], []
            rest.append(slot)
        parts.append(rest)
        costs = [_cost(part, limits) for part in parts]
        if None not in costs:
            found.append((len(costs), sum(cost or 0 for cost in costs)))
    return min(found)


def _cost(part: list[Slot], limits: Limits) -> int | None:
    """Return the registers of one request for the slots, None where it may not be made."""
    end = part[0].end
    for slot in part[1:]:
        if slot.address - end > limits.gap_max:
            return None
        end = max(end, slot.end)
    count = end - part[0].address
    return count if count <= limits.registers_max else None


def test_each_table_has_its_own_limit() -> None:
    limits = Limits(registers_max=100, bits_max=1000, gap_max=0, input_max=10, discrete_max=16)
    counts = {}
    for table in Table:
        slots = [
            Slot(index=at, unit=1, table=table, address=at, count=1)
            for at in range(2000 if table.of_bits else 200)
        ]
        counts[table] = max(block.count for block in plan(slots, limits).blocks)
    assert counts == {
        Table.HOLDING: 100,
        Table.INPUT: 10,
        Table.COIL: 1000,
        Table.DISCRETE: 16,
    }


@given(slots=slots().filter(bool), limits=LIMITS, data=st.data())
def test_a_cut_and_a_wall_are_kept(slots: list[Slot], limits: Limits, data: st.DataObject) -> None:
    wall = data.draw(st.sampled_from(slots))
    rest = [slot for slot in slots if slot is not wall]
    cuts = frozenset(slot.index for slot in data.draw(st.lists(st.sampled_from(slots))))
    for block in plan(rest, limits, cuts=cuts, walls=(wall,)).blocks:
        begins = {slot.address for slot in block.slots if slot.index in cuts}
        assert begins <= {block.address}
        if (block.unit, block.table) == (wall.unit, wall.table):
            used = {place for slot in block.slots for place in range(slot.address, slot.end)}
            unused = set(range(block.address, block.address + block.count)) - used
            assert not unused & set(range(wall.address, wall.end))


@given(slots=slots(), limits=LIMITS)
def test_halves_come_down_to_the_guilty(slots: list[Slot], limits: Limits) -> None:
    for block in plan(slots, limits).blocks:
        pending, seen = [block], list[Slot]()
        while pending:
            part = pending.pop()
            parts = halves(part)
            if parts is None:
                assert len({slot.address for slot in part.slots}) == 1
                seen += part.slots
            else:
                assert all(half.count <= block.count for half in parts)
                assert len(parts[0].slots) + len(parts[1].slots) == len(part.slots)
                pending += parts
        assert sorted(slot.index for slot in seen) == sorted(slot.index for slot in block.slots)


def test_one_signal_alone() -> None:
    slot = Slot(index=3, unit=2, table=Table.INPUT, address=7, count=4, name="flow")
    assert str(alone(slot)) == "unit 2 input 7 to 10 (4): flow"
