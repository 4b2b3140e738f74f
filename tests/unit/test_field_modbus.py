"""The Modbus driver's settings, schedule and what it learns, without equipment."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from protocols.field.driver import SettingsError, load_driver
from protocols.field.modbus import SPEC
from protocols.field.modbus.planner import Block, Limits, Slot, plan
from protocols.field.modbus.refusals import Refusals, Remedy, code_name, remedy
from protocols.field.modbus.rota import Rota
from protocols.field.modbus.schedule import Schedule
from protocols.field.modbus.settings import ModbusSettings, ModbusSignal, Table
from protocols.wire.reading import Kind
from tests.contract.driver_contract import HostClock


def signal(**columns: Any) -> ModbusSignal:
    return ModbusSignal.model_validate({"name": "x", "address": 0} | columns)


def settings(**more: Any) -> ModbusSettings:
    row = {"name": "x", "address": 0}
    return ModbusSettings.model_validate({"host": "plc", "signals": [row]} | more)


class TestSignals:
    @pytest.mark.parametrize(
        ("columns", "kind"),
        [
            ({}, Kind.UINT),
            ({"type": "int32"}, Kind.INT),
            ({"type": "int16", "scale": "0.1"}, Kind.FLOAT64),
            ({"type": "uint16", "offset": "-40"}, Kind.FLOAT64),
            ({"type": "float32"}, Kind.FLOAT32),
            ({"type": "float64"}, Kind.FLOAT64),
            ({"type": "bcd16"}, Kind.UINT),
            ({"type": "bit", "bit": "3"}, Kind.BOOL),
            ({"type": "ascii", "length": "8"}, Kind.TEXT),
            ({"table": "coil"}, Kind.BOOL),
            ({"table": "discrete"}, Kind.BOOL),
        ],
    )
    def test_the_kind_follows(self, columns: dict[str, Any], kind: Kind) -> None:
        assert signal(**columns).kind is kind

    def test_a_row_of_a_csv_is_a_signal(self) -> None:
        row = {
            "name": "room/pressure",
            "unit": "Pa",
            "table": "input",
            "address": "2",
            "type": "float32",
            "order": "CDAB",
            "unit_id": "3",
            "period_s": "0.5",
        }
        read = ModbusSignal.model_validate(row)
        assert (read.address, read.unit_id, read.period_s, read.count) == (2, 3, 0.5, 2)

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"address": 65536}, "less than or equal to 65535"),
            ({"address": 65535, "type": "int32"}, "reaches past address 65535"),
            ({"type": "int24"}, "int16"),
            ({"order": "ACBD"}, "ABCD"),
            ({"table": "coil", "type": "int16"}, "single bit"),
            ({"table": "discrete", "bit": 1}, "single bit"),
            ({"type": "bit"}, "takes both"),
            ({"bit": 3}, "takes both"),
            ({"type": "ascii"}, "takes both"),
            ({"length": 3}, "takes both"),
            ({"type": "ascii", "length": 4, "order": "DCBA"}, "order of a text"),
            ({"scale": 0}, "scale is not 0"),
            ({"scale": "nan"}, "finite"),
            ({"type": "ascii", "length": 4, "scale": 2}, "no scale"),
            ({"type": "int16", "kind": Kind.FLOAT64}, "leave kind empty"),
            ({"table": "coil", "guard": 3}, "a single bit is never torn"),
            ({"type": "int32", "guard": 1}, "not one of the value's"),
            ({"guard": 1, "guard_after": 0}, "not one of the value's"),
            ({"guard_after": 1}, "goes with guard"),
            ({"guard": 1, "guard_after": 1}, "another register"),
            ({"adress": 3}, "Extra inputs"),
        ],
    )
    def test_what_cannot_be_says_why(self, columns: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError) as caught:
            signal(**columns)
        assert message in str(caught.value)

    def test_every_field_is_described(self) -> None:
        for model in (ModbusSettings, ModbusSignal):
            assert all(field.description for field in model.model_fields.values())


class TestSettings:
    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"host": ""}, "needs host"),
            ({"transport": "serial"}, "needs serial_port"),
            ({"transport": "rtu-over-tcp", "unit_id": 0}, "broadcast"),
            ({"signals": []}, "at least 1"),
            ({"signals": [{"name": "a", "address": 0}] * 2}, "twice: a"),
            (
                {
                    "registers_max": 3,
                    "signals": [{"name": "a", "address": 0, "type": "float64"}],
                },
                "a takes 4 registers",
            ),
            (
                {
                    "input_max": 3,
                    "signals": [{"name": "a", "address": 0, "table": "input", "type": "int64"}],
                },
                "input_max is 3",
            ),
            (
                {"signals": [{"name": "a", "address": 9, "guard": 0, "guard_after": 200}]},
                "a takes 201 registers",
            ),
        ],
    )
    def test_what_cannot_work_says_why(self, more: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError) as caught:
            settings(**more)
        assert message in str(caught.value)

    def test_the_driver_is_found_by_its_name(self) -> None:
        assert load_driver("modbus") is SPEC

    def test_another_drivers_settings_are_refused(self) -> None:
        replay = load_driver("replay").settings.model_validate(
            {"file": "x.csv", "signals": [{"name": "a"}]}
        )
        with pytest.raises(SettingsError):
            SPEC.connect("x", replay, HostClock())


class TestSchedule:
    def test_rates_meet_on_one_grid(self) -> None:
        schedule = Schedule([5.0, 1.0], origin=100.0)
        assert schedule.wait(100.0) == 0
        assert schedule.take(100.0).periods == (1.0, 5.0)
        for second in (101.0, 102.0, 103.0, 104.0):
            assert schedule.take(second).periods == (1.0,)
        assert schedule.take(105.0).periods == (1.0, 5.0)

    def test_whole_polls_that_went_by_are_told(self) -> None:
        schedule = Schedule([1.0], origin=0.0)
        schedule.take(0.0)
        assert schedule.take(1.9).missed == {}  # late, but none was missed
        assert schedule.take(4.5).missed == {1.0: 2}  # 2 and 3
        assert schedule.wait(4.5) == 0.5

    @given(
        period=st.floats(0.01, 100),
        steps=st.lists(st.floats(0, 500), max_size=40),
        origin=st.floats(0, 1e7),
    )
    def test_no_poll_is_lost_or_double(
        self, period: float, steps: list[float], origin: float
    ) -> None:
        schedule = Schedule([period], origin=origin)
        now, polls = origin, 0
        for step in steps:
            now += step
            turn = schedule.take(now)
            polls += len(turn.periods) + sum(turn.missed.values())
        assert abs(polls - ((now - origin) // period + 1 if steps else 0)) <= 1

    def test_nothing_drifts(self) -> None:
        schedule = Schedule([0.1], origin=0.0)
        now = 0.0
        for _ in range(1_000):
            now += max(0.0, schedule.wait(now)) + 0.03  # each poll begins 0.03 s late
            schedule.take(now)
        assert abs(now - 100.0) < 0.2


class TestRota:
    def test_units_are_asked_in_rotation(self) -> None:
        rota = Rota[str]()
        for unit, errand in ((1, "1a"), (1, "1b"), (1, "1c"), (2, "2a"), (3, "3a"), (3, "3b")):
            rota.put(unit, errand)
        taken = [rota.take(0) for _ in range(6)]
        assert taken == ["1a", "2a", "3a", "1b", "3b", "1c"]
        assert rota.wait(0) is None

    def test_a_unit_that_rests_lets_the_others_go_first(self) -> None:
        rota = Rota[str]()
        rota.rest(1, 5.0)
        rota.put(1, "1a")
        rota.put(2, "2a")
        assert rota.wait(1.0) == 0
        assert rota.take(1.0) == "2a"
        assert rota.take(1.0) is None
        assert rota.wait(1.0) == rota.rests(1, 1.0) == 4.0
        assert rota.take(5.0) == "1a"

    def test_what_is_put_back_goes_before_the_rest_of_its_unit(self) -> None:
        rota = Rota[str]()
        rota.put(1, "next")
        rota.put_back(1, "again")
        assert [rota.take(0), rota.take(0)] == ["again", "next"]

    def test_a_rest_outlives_the_poll(self) -> None:
        rota = Rota[str]()
        rota.put(1, "of the poll that broke off")
        rota.rest(1, 5.0)
        rota.clear()
        rota.put(1, "of the next")
        assert rota.take(4.9) is None
        assert rota.take(5.0) == "of the next"

    @given(units=st.lists(st.integers(1, 4), max_size=30))
    def test_nobody_is_asked_twice_before_another_once(self, units: list[int]) -> None:
        rota = Rota[int]()
        for unit in units:
            rota.put(unit, unit)
        taken = [rota.take(0) for _ in units]
        assert sorted(map(str, taken)) == sorted(map(str, units))
        rounds = max((units.count(unit) for unit in units), default=0)
        start = 0
        for turn in range(rounds):
            size = sum(units.count(unit) > turn for unit in set(units))
            assert len(set(taken[start : start + size])) == size
            start += size


class TestRemedies:
    def test_every_code_has_a_name_and_a_remedy(self) -> None:
        assert [remedy(code) for code in range(1, 12)] == [
            Remedy.LEAVE,
            Remedy.NARROW,
            Remedy.NARROW,
            Remedy.REPEAT_THEN_NARROW,
            Remedy.WAIT,
            Remedy.WAIT,
            Remedy.REPEAT,
            Remedy.REPEAT,
            Remedy.REPEAT,
            Remedy.ABSENT,
            Remedy.ABSENT,
        ]
        assert code_name(6) == "server device busy (6)"
        assert code_name(99) == "exception (99)"


def touching(first: int, middle: int, end: int) -> tuple[Block, ...]:
    """Return two requests of single registers; each signal's index is its address."""
    found = []
    for start, stop in ((first, middle), (middle, end)):
        slots = tuple(
            Slot(index=at, unit=1, table=Table.HOLDING, address=at, count=1)
            for at in range(start, stop)
        )
        found.append(
            Block(unit=1, table=Table.HOLDING, address=start, count=stop - start, slots=slots)
        )
    return tuple(found)


class TestRefusals:
    LIMITS = Limits(registers_max=125, bits_max=2000, gap_max=16)
    SLOTS = tuple(
        Slot(index=at, unit=1, table=Table.HOLDING, address=at * 2, count=1) for at in range(5)
    )

    def test_a_refused_signal_is_tried_again_when_its_time_has_come(self) -> None:
        refusals = Refusals(retry_s=60)
        refusals.refuse(self.SLOTS[1:3], 2, now=0)
        refusals.refuse(self.SLOTS[2:3], 3, now=10)
        assert refusals.to_try(self.SLOTS, 59) is None
        assert refusals.to_try(self.SLOTS, 70) is self.SLOTS[1]
        assert refusals.to_try(self.SLOTS[2:], 70) is self.SLOTS[2]
        assert [(slot.index, known.code) for slot, known in refusals.among(self.SLOTS)] == [
            (1, 2),
            (2, 3),
        ]

    def test_a_success_forgives_the_table_and_no_other(self) -> None:
        refusals = Refusals(retry_s=60)
        other = Slot(index=9, unit=2, table=Table.HOLDING, address=0, count=1)
        refusals.refuse((*self.SLOTS, other), 2, now=0)
        refusals.cut(self.SLOTS[3])
        before = refusals.version
        refusals.forgive(self.SLOTS[0])
        assert refusals.version > before
        assert refusals.walls == (other,)
        assert refusals.cuts == frozenset()

    def test_halves_that_touch_were_together_too_long(self) -> None:
        refusals, (lower, upper) = Refusals(retry_s=60), touching(0, 30, 60)
        refusals.gave(lower)
        refusals.gave(upper)
        refusals.parted(lower, upper)
        assert refusals.most == {(1, Table.HOLDING): 30}
        assert refusals.cuts == frozenset()
        found = plan([*lower.slots, *upper.slots], self.LIMITS, most=refusals.most)
        assert [block.count for block in found.blocks] == [30, 30]
        refusals.forgive(upper.slots[0])
        assert refusals.most == {}

    def test_where_as_much_was_given_before_something_lies_between(self) -> None:
        refusals, (lower, upper) = Refusals(retry_s=60), touching(100, 110, 120)
        refusals.gave(touching(0, 30, 60)[0])
        refusals.parted(lower, upper)  # 20 refused, but 30 were given elsewhere
        assert refusals.most == {}
        assert refusals.cuts == {110}

    def test_unused_registers_are_guilty_before_the_length_is(self) -> None:
        refusals = Refusals(retry_s=60)
        lower, upper = touching(0, 30, 30)[0], touching(0, 33, 60)[1]
        refusals.gave(lower)
        refusals.parted(lower, upper)
        assert refusals.most == {}
        assert refusals.cuts == {33}

    def test_the_plan_goes_around_what_is_refused(self) -> None:
        given = [slot for slot in self.SLOTS if slot.index != 2]
        found = plan(given, self.LIMITS, walls=(self.SLOTS[2],))
        assert str(found) == "unit 1 holding 0 to 2 (3): 0, 1\nunit 1 holding 6 to 8 (3): 3, 4"
