"""The clean-room monitor: its model is pure, its registers are what its table says."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from plant.equipment.cleanroom import SIGNALS, CleanRoom, Fault, RoomState, advance
from protocols.field.modbus import SPEC
from protocols.wire.reading import Reading, Status
from tests.contract.driver_contract import HostClock


def run(seconds: int, *, seed: int = 7, fan_weak: bool = False) -> Iterator[RoomState]:
    state = RoomState()
    for _ in range(seconds):
        state = advance(state, seed=seed, door_held=False, fan_weak=fan_weak)
        yield state


def test_the_same_seed_gives_the_same_room() -> None:
    assert list(run(300)) == list(run(300))
    assert list(run(300)) != list(run(300, seed=8))


def test_a_quiet_day_stays_within_what_a_clean_room_holds() -> None:
    states = list(run(4 * 3600))
    assert all(18 < state.temperature < 24 for state in states)
    assert all(35 < state.humidity < 55 for state in states)
    closed = [state for state in states if state.door_open_for == 0]
    assert sum(state.pressure > 10 for state in closed) / len(closed) > 0.95
    counts = [state.particles_05 for state in states]
    assert counts == sorted(counts)


def test_an_open_door_drops_the_pressure_and_it_recovers() -> None:
    states = list(run(4 * 3600))
    opened = [number for number, state in enumerate(states) if state.door_open_for == 1]
    assert len(opened) >= 5
    for number in opened[:5]:
        assert states[number].pressure < 8
        assert max(state.pressure for state in states[number : number + 60]) > 13


def test_a_weak_fan_is_an_excursion_of_pressure_and_particles() -> None:
    quiet, weak = list(run(300)), list(run(300, fan_weak=True))
    assert weak[-1].pressure < 7.5
    assert weak[-1].particles_05 > 3 * quiet[-1].particles_05


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def poll(room: CleanRoom) -> dict[str, Reading]:
    settings = SPEC.settings.model_validate(
        {"host": room.host, "port": room.port, "signals": SIGNALS, "period_s": 0.02}
    )
    driver = SPEC.connect("room", settings, HostClock())
    await driver.open()
    try:
        return {reading.signal: reading for reading in (await driver.read()).readings}
    finally:
        await driver.close()


async def test_the_driver_reads_the_room_as_it_is() -> None:
    clock = Hand()
    async with CleanRoom(seed=3, clock=clock) as room:
        clock.now += 120
        got, state = await poll(room), room.state
    assert state.second == 120
    assert got["temperature"].value == round(state.temperature * 100) / 100
    assert got["humidity"].value == round(state.humidity * 100) / 100
    assert got["pressure"].value == struct.unpack("f", struct.pack("f", state.pressure))[0]
    assert got["particles-05"].value == int(state.particles_05)
    assert got["particles-5"].value == int(state.particles_5)
    assert got["door"].value is (state.door_open_for > 0)
    assert {reading.status for reading in got.values()} == {Status.GOOD}


async def test_scripted_events_show() -> None:
    clock = Hand()
    async with CleanRoom(seed=3, clock=clock) as room:
        room.open_door(seconds=30)
        clock.now += 20
        assert (await poll(room))["door"].value is True
        clock.now += 60
        room.excursion(seconds=100)
        clock.now += 60
        assert room.state.pressure < 8


@pytest.mark.parametrize(
    ("fault", "code"), [(Fault.REFUSED, 4), (Fault.NOT_A_NUMBER, -1), (Fault.FROZEN, 0)]
)
async def test_a_broken_sensor_fails_alone(fault: Fault, code: int) -> None:
    clock = Hand()
    async with CleanRoom(seed=3, clock=clock) as room:
        clock.now += 30
        before = await poll(room)
        room.break_sensor("pressure", fault)
        clock.now += 30
        broken = await poll(room)
        room.repair("pressure")
        repaired = await poll(room)
    assert broken["pressure"].code == code
    assert (broken["pressure"].status is Status.BAD) is (code != 0)
    if fault is Fault.FROZEN:
        assert broken["pressure"].value == before["pressure"].value
    assert broken["particles-05"].value != before["particles-05"].value
    assert broken["temperature"].status is Status.GOOD
    assert repaired["pressure"].status is Status.GOOD
    assert repaired["pressure"].value != before["pressure"].value


async def test_the_monitor_comes_back_at_its_port() -> None:
    async with CleanRoom(seed=3) as room:
        port = room.port
        await room.stop()
        await room.start()
        assert room.port == port
        assert (await poll(room))["temperature"].value == 21.0


def test_a_signal_that_it_does_not_have_cannot_break() -> None:
    room = CleanRoom.__new__(CleanRoom)
    with pytest.raises(KeyError):
        room.break_sensor("noise", Fault.FROZEN)
