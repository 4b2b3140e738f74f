"""The host driver on trees of files laid out as the kernel lays out sysfs."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from protocols.field.host import SPEC
from protocols.field.host.sensor import SensorCode
from protocols.wire.reading import Doubt, Gap, GapReason, Reading, Status
from tests.contract.driver_contract import PATIENCE, HostClock

THERMOMETER = "w1:28-0316a279f4ff"


class Computer:
    """A tree of sysfs: chips with their inputs, thermometers on a bus."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "class/hwmon").mkdir(parents=True)
        self.chips = 0

    def chip(self, name: str, device: str = "", **files: str) -> Path:
        """Add a chip; numbers go up in the order in which drivers came, as at a boot."""
        target = self.root / "devices" / (device or f"{name}.0")
        target.mkdir(parents=True)
        folder = self.root / "class/hwmon" / f"hwmon{self.chips}"
        folder.mkdir()
        (folder / "device").symlink_to(target)
        self.chips += 1
        for file, text in {"name": name, **files}.items():
            (folder / file).write_text(text + "\n")
        return folder

    def thermometer(self, text: str, sensor: str = THERMOMETER) -> Path:
        folder = self.root / "bus/w1/devices" / sensor.removeprefix("w1:")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "w1_slave").write_text(text)
        return folder / "w1_slave"


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path)


@contextlib.asynccontextmanager
async def reading(computer: Computer, *sensors: str, **more: Any) -> AsyncIterator[Any]:
    signals = [{"name": sensor, "sensor": sensor} for sensor in sensors]
    given = {"sysfs": computer.root, "period_s": 0.1, "signals": signals} | more
    driver = SPEC.connect("box", SPEC.settings.model_validate(given), HostClock())
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


async def once(computer: Computer, *sensors: str, **more: Any) -> list[Reading]:
    async with reading(computer, *sensors, **more) as driver:
        return list((await asyncio.wait_for(driver.read(), PATIENCE)).readings)


async def test_every_type_of_input_comes_in_its_unit(computer: Computer) -> None:
    computer.chip(
        "board",
        temp1_input="-4500",
        in0_input="3312",
        curr1_input="1250",
        power1_input="2500000",
        energy1_input="7000000",
        humidity1_input="45300",
        fan1_input="1480",
    )
    inputs = ("temp1", "in0", "curr1", "power1", "energy1", "humidity1", "fan1")
    sensors = [f"hwmon:board/{each}" for each in inputs]
    found = await once(computer, *sensors)
    assert [each.value for each in found] == [-4.5, 3.312, 1.25, 2.5, 7.0, 45.3, 1480.0]
    assert {each.status for each in found} == {Status.GOOD}
    settings = SPEC.settings.model_validate(
        {"signals": [{"name": each, "sensor": each} for each in sensors]}
    )
    units = [signal.unit for signal in settings.signals]  # type: ignore[attr-defined]
    assert units == ["Cel", "V", "A", "W", "J", "%", "{rev}/min"]


async def test_a_chip_is_found_by_its_name_whatever_its_number(computer: Computer) -> None:
    computer.chip("nvme", "nvme0", temp1_input="41000")
    computer.chip("cpu_thermal", temp1_input="52300")
    (found,) = await once(computer, "hwmon:cpu_thermal/temp1")
    assert found.value == 52.3


async def test_chips_of_one_name_are_not_guessed_at(computer: Computer) -> None:
    computer.chip("nvme", "0000:01:00.0", temp1_input="41000")
    computer.chip("nvme", "0000:02:00.0", temp1_input="47000")
    guess, named = await once(computer, "hwmon:nvme/temp1", "hwmon:nvme@0000:02:00.0/temp1")
    assert (guess.status, guess.code, guess.value) == (Status.BAD, SensorCode.AMBIGUOUS, None)
    assert guess.raw == b"0000:01:00.0, 0000:02:00.0"
    assert named.value == 47.0
    assert SPEC.code_name(guess.code) == "AMBIGUOUS"


async def test_what_a_sensor_lacks_costs_itself_alone(computer: Computer) -> None:
    computer.chip(
        "board", temp1_input="20000", temp2_input="20000", temp2_fault="1", temp3_input="n/a"
    )
    sensors = [f"hwmon:board/temp{number}" for number in (1, 2, 3, 4)]
    good, fault, text, absent, chip, wire = await once(
        computer, *sensors, "hwmon:other/temp1", THERMOMETER
    )
    assert (good.status, good.value) == (Status.GOOD, 20.0)
    assert (fault.status, fault.code) == (Status.BAD, SensorCode.FAULT)
    assert (text.status, text.code, text.raw) == (Status.BAD, SensorCode.NOT_A_NUMBER, b"n/a")
    names = [SPEC.code_name(each.code) for each in (absent, chip, wire)]
    assert names == ["ENOENT", "ENODEV", "ENOENT"]
    assert {each.status for each in (absent, chip, wire)} == {Status.BAD}


@pytest.mark.parametrize(
    ("text", "value", "status", "code"),
    [
        ("72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 t=23125\n", 23.125, Status.GOOD, 0),
        ("f8 ff : crc=00 YES\nf8 ff t=-500\n", -0.5, Status.GOOD, 0),
        ("72 01 : crc=11 NO\n72 01 t=23125\n", None, Status.BAD, SensorCode.CRC),
        ("50 05 : crc=1c YES\n50 05 t=85000\n", 85.0, Status.UNCERTAIN, SensorCode.POWER_ON),
        ("50 05 : crc=1c YES\n", None, Status.BAD, SensorCode.NOT_A_NUMBER),
        ("", None, Status.BAD, SensorCode.CRC),
    ],
)
async def test_a_thermometer_is_believed_as_far_as_its_bus_vouches_for_it(
    computer: Computer, text: str, value: float | None, status: Status, code: int
) -> None:
    computer.thermometer(text)
    (found,) = await once(computer, THERMOMETER)
    assert (found.value, found.status, found.code) == (value, status, code)
    assert found.raw == (b"" if status is Status.GOOD else text.encode())


async def test_a_sensor_that_hangs_holds_up_no_other_and_is_not_asked_again(
    computer: Computer,
) -> None:
    computer.chip("board", temp1_input="20000")
    slow = computer.thermometer("")
    slow.unlink()
    os.mkfifo(slow)  # opening it waits for a writer, as a bus without its master does
    async with reading(computer, THERMOMETER, "hwmon:board/temp1", timeout_s=0.2) as driver:
        for _ in range(3):
            silent, good = (await asyncio.wait_for(driver.read(), PATIENCE)).readings
            assert (silent.status, silent.code) == (Status.BAD, Doubt.NO_ANSWER)
            assert good.value == 20.0
        writer = os.open(slow, os.O_RDWR)  # one reader alone waits: a second would stay behind
        os.write(writer, b"72 01 : crc=57 YES\n72 01 t=23125\n")
        os.close(writer)
        slow.unlink()
        computer.thermometer("72 01 : crc=57 YES\n72 01 t=24000\n")
        values = []
        while 24.0 not in values:
            silent, _ = (await asyncio.wait_for(driver.read(), PATIENCE)).readings
            values.append(silent.value)


async def test_turns_that_slow_sensors_cost_are_declared(computer: Computer) -> None:
    slow = computer.thermometer("")
    slow.unlink()
    os.mkfifo(slow)
    gaps: list[Gap] = []
    async with reading(computer, THERMOMETER, timeout_s=0.5) as driver:
        while not gaps:
            gaps += (await asyncio.wait_for(driver.read(), PATIENCE)).gaps
        with contextlib.suppress(OSError):
            os.close(os.open(slow, os.O_RDWR))
    assert gaps[0].reason is GapReason.OVERRUN
    assert (gaps[0].count or 0) >= 3
    assert gaps[0].end > gaps[0].start


async def test_each_sensor_has_its_own_period(computer: Computer) -> None:
    computer.chip("board", temp1_input="1000", temp2_input="2000")
    signals = [
        {"name": "quick", "sensor": "hwmon:board/temp1"},
        {"name": "slow", "sensor": "hwmon:board/temp2", "period_s": 3600},
    ]
    names: list[str] = []
    async with reading(computer, signals=signals) as driver:
        while names.count("quick") < 4:
            names += [each.signal for each in (await driver.read()).readings]
    assert names.count("slow") == 1


@pytest.mark.parametrize(
    ("signal", "wrong"),
    [
        ({"sensor": "cpu"}, "no sensor is named"),
        ({"sensor": "hwmon:board/pwm1"}, "no sensor is named"),
        ({"sensor": "w1:28-xyz"}, "no sensor is named"),
        ({"sensor": "hwmon:board/temp1", "unit": "K"}, "gives Cel"),
        ({"sensor": "hwmon:board/temp1", "kind": "int"}, "float64"),
        ({"sensor": "w1:../../../etc"}, "no sensor is named"),
    ],
)
def test_settings_say_what_is_wrong(signal: dict[str, str], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        SPEC.settings.model_validate({"signals": [{"name": "a", **signal}]})
