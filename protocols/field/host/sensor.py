"""What one sensor says when its files are read: a value, or why there is none."""

from __future__ import annotations

import errno
import os
import re
from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple

from protocols.field.host.settings import HWMON, W1
from protocols.wire.reading import Status

__all__ = ["Said", "SensorCode", "code_name", "read_sensor"]


class SensorCode(IntEnum):
    """Why a sensor's word is doubted, beyond what ``errno`` names; above all of its numbers."""

    FAULT = 1001  # the chip says that this sensor is broken (``*_fault``)
    CRC = 1002  # the 1-Wire bus garbled the answer
    POWER_ON = 1003  # 85 Cel is what a DS18B20 holds before its first conversion
    NOT_A_NUMBER = 1004
    AMBIGUOUS = 1005  # several chips bear this name


class Said(NamedTuple):
    """What a sensor said."""

    value: float | None
    status: Status = Status.GOOD
    code: int = 0
    raw: bytes = b""


def read_sensor(sysfs: Path, sensor: str) -> Said:
    """Return what a sensor says; never raises OSError, may wait for the bus."""
    try:
        if (found := W1.fullmatch(sensor)) is not None:
            return _thermometer(sysfs / "bus/w1/devices" / found["device"] / "w1_slave")
        return _chip(sysfs / "class/hwmon", sensor)
    except OSError as error:
        return Said(None, Status.BAD, error.errno or errno.EIO)


def code_name(code: int) -> str:
    """Return the name of a code as a person looks it up."""
    names = {each.value: each.name for each in SensorCode}
    return names.get(code) or errno.errorcode.get(code) or str(code)


def _chip(root: Path, sensor: str) -> Said:
    found = HWMON.fullmatch(sensor)
    if found is None:  # the settings take no such name
        return Said(None, Status.BAD, errno.EINVAL)
    chips = [
        chip
        for chip in root.iterdir()
        if _text(chip / "name") == found["chip"]
        and found["device"] in (None, (chip / "device").resolve().name)
    ]
    if len(chips) != 1:
        # Numbers of chips change from boot to boot: a guess would read another sensor.
        raw = ", ".join(sorted((chip / "device").resolve().name for chip in chips)).encode()
        return Said(None, Status.BAD, SensorCode.AMBIGUOUS if chips else errno.ENODEV, raw)
    (chip,) = chips
    fault = chip / f"{found['input']}_fault"
    if fault.exists() and _text(fault) != "0":
        return Said(None, Status.BAD, SensorCode.FAULT)
    text = _text(chip / f"{found['input']}_input")
    return _scaled(text.encode(), text, _SCALES.get(found["type"], 1000))


def _thermometer(path: Path) -> Said:
    """Read both lines of ``w1_slave``: the first ends in the bus's verdict, the second in t=."""
    raw = path.read_bytes()
    verdict, _, rest = raw.partition(b"\n")
    found = _THOUSANDTHS.search(rest)
    if not verdict.rstrip().endswith(b"YES"):
        return Said(None, Status.BAD, SensorCode.CRC, raw)
    if found is None:
        return Said(None, Status.BAD, SensorCode.NOT_A_NUMBER, raw)
    if int(found[1]) == _POWER_ON:
        return Said(_POWER_ON / 1000, Status.UNCERTAIN, SensorCode.POWER_ON, raw)
    return Said(int(found[1]) / 1000)


def _scaled(raw: bytes, text: str, divisor: int) -> Said:
    try:
        return Said(int(text) / divisor)
    except ValueError:
        return Said(None, Status.BAD, SensorCode.NOT_A_NUMBER, raw)


def _text(path: Path) -> str:
    """Return a file's text; sysfs gives at most a page, so no more is taken of anything else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)


_SCALES: Final = {"power": 1_000_000, "energy": 1_000_000, "fan": 1}
"""What one of the unit is in the kernel's integers; thousandths where nothing is said."""
_THOUSANDTHS: Final = re.compile(rb"\bt=(-?[0-9]{1,7})\s*$")
_POWER_ON: Final = 85_000
