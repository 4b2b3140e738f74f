"""What can be configured of the gateway's own sensors; every signal field is a CSV column."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, model_validator

from protocols.field.driver import DriverSettings, SignalSettings
from protocols.wire.reading import Kind

__all__ = ["HWMON", "W1", "HostSettings", "HostSignal"]

HWMON: Final = re.compile(
    r"hwmon:(?P<chip>[^/@]+)(@(?P<device>[^/]+))?/(?P<input>(?P<type>[a-z]+)[0-9]+)"
)
W1: Final = re.compile(r"w1:(?P<device>[0-9a-f]{2}-[0-9a-f]{12})")
UNITS: Final = {
    "temp": "Cel",
    "in": "V",
    "curr": "A",
    "power": "W",
    "energy": "J",
    "humidity": "%",
    "fan": "{rev}/min",
}
"""The unit of each type of hwmon input, as the driver gives it."""


class HostSignal(SignalSettings):
    """One sensor."""

    sensor: str = Field(
        description="hwmon:CHIP/INPUT, for example hwmon:cpu_thermal/temp1, or w1:ID, for example "
        "w1:28-0316a279f4ff; hwmon:CHIP@DEVICE/INPUT where several chips bear one name."
    )
    period_s: float | None = Field(
        default=None, ge=0.1, le=86400, description="Seconds between readings; empty: the source's."
    )

    @model_validator(mode="before")
    @classmethod
    def _unit_of_the_sensor(cls, data: Any) -> Any:
        """Take the unit from the sensor where none is named."""
        if isinstance(data, dict) and "unit" not in data:
            unit = _unit(str(data.get("sensor", "")))
            return data if unit is None else {**data, "unit": unit}
        return data

    @model_validator(mode="after")
    def _agree(self) -> Self:
        unit = _unit(self.sensor)
        if unit is None:
            raise ValueError(
                f"no sensor is named {self.sensor!r}; write hwmon:CHIP/INPUT with an input such as "
                f"temp1 ({', '.join(UNITS)}), or w1:ID"
            )
        if self.unit != unit:
            raise ValueError(f"leave unit empty: this sensor gives {unit}")
        if self.kind is not Kind.FLOAT64:
            raise ValueError("leave kind empty: sensors give float64")
        return self


class HostSettings(DriverSettings):
    """The gateway's own sensors."""

    sysfs: Path = Field(
        default=Path("/sys"), description="Where sysfs is mounted; in a container often elsewhere."
    )
    period_s: float = Field(
        default=10.0, ge=0.1, le=86400, description="Seconds between readings where none is named."
    )
    timeout_s: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Seconds to wait for a sensor; a 1-Wire thermometer takes nearly one.",
    )
    signals: tuple[HostSignal, ...] = Field(min_length=1, description="What is read.")


def _unit(sensor: str) -> str | None:
    """Return the UCUM unit of a sensor, None where it is no name of one."""
    if W1.fullmatch(sensor):
        return "Cel"
    found = HWMON.fullmatch(sensor)
    return None if found is None else UNITS.get(found["type"])
