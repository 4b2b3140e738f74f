"""Units and kinds of quantities as EPCIS names them: UN/ECE Recommendation 20, GS1 Web Vocabulary.

A unit that is not in the table has no code here, and nothing is guessed: a new one is a new row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Unit(NamedTuple):
    """A unit's common code (Recommendation 20), and the measurement type that it is a unit of."""

    code: str
    kind: str | None  # None where GS1's vocabulary has no type for it


def unit_of(ucum: str) -> Unit | None:
    """Return the unit that UCUM writes as ``ucum``; None where the table has none."""
    return _UNITS.get(ucum)


_UNITS: Final[Mapping[str, Unit]] = {
    "1": Unit("C62", "Dimensionless"),
    "": Unit("C62", "Dimensionless"),
    "%": Unit("P1", "Dimensionless"),
    "%{RH}": Unit("P1", "RelativeHumidity"),
    "[ppm]": Unit("59", "Dimensionless"),
    "[pH]": Unit("Q30", "Dimensionless"),
    "Cel": Unit("CEL", "Temperature"),
    "K": Unit("KEL", "Temperature"),
    "[degF]": Unit("FAH", "Temperature"),
    "Pa": Unit("PAL", "Pressure"),
    "hPa": Unit("A97", "Pressure"),
    "kPa": Unit("KPA", "Pressure"),
    "MPa": Unit("MPA", "Pressure"),
    "bar": Unit("BAR", "Pressure"),
    "mbar": Unit("MBR", "Pressure"),
    "[psi]": Unit("PS", "Pressure"),
    "ms": Unit("C26", "Time"),
    "s": Unit("SEC", "Time"),
    "min": Unit("MIN", "Time"),
    "h": Unit("HUR", "Time"),
    "um": Unit("4H", "Length"),
    "mm": Unit("MMT", "Length"),
    "cm": Unit("CMT", "Length"),
    "m": Unit("MTR", "Length"),
    "mg": Unit("MGM", "Mass"),
    "g": Unit("GRM", "Mass"),
    "kg": Unit("KGM", "Mass"),
    "mL": Unit("MLT", "Volume"),
    "L": Unit("LTR", "Volume"),
    "m3": Unit("MTQ", "Volume"),
    "kg/m3": Unit("KMQ", "Density"),
    "g/cm3": Unit("23", "Density"),
    "mm/s": Unit("C16", "Speed"),
    "m/s": Unit("MTS", "Speed"),
    "m/min": Unit("2X", "Speed"),
    "mL/min": Unit("41", "VolumeFlowRate"),
    "L/min": Unit("L2", "VolumeFlowRate"),
    "m3/h": Unit("MQH", "VolumeFlowRate"),
    "m3/s": Unit("MQS", "VolumeFlowRate"),
    "kg/h": Unit("E93", "MassFlowRate"),
    "N": Unit("NEW", "Force"),
    "kN": Unit("B47", "Force"),
    "N.m": Unit("NU", "Torque"),
    "J": Unit("JOU", "Energy"),
    "kW.h": Unit("KWH", "Energy"),
    "W": Unit("WTT", "Power"),
    "kW": Unit("KWT", "Power"),
    "mV": Unit("2Z", "Voltage"),
    "V": Unit("VLT", "Voltage"),
    "mA": Unit("4K", "ElectricCurrent"),
    "A": Unit("AMP", "ElectricCurrent"),
    "Ohm": Unit("OHM", "Resistance"),
    "S/m": Unit("D10", "Conductivity"),
    "uS/cm": Unit("G42", "Conductivity"),
    "Hz": Unit("HTZ", "Frequency"),
    "kHz": Unit("KHZ", "Frequency"),
    "{rpm}": Unit("RPM", "AngularVelocity"),
    "deg": Unit("DD", "Angle"),
    "lx": Unit("LUX", "Illuminance"),
    "Gy": Unit("A95", "AbsorbedDose"),
    "1/m3": Unit("C86", None),
    "{#}/m3": Unit("C86", None),  # particles in air (ISO 14644-1)
}

CODES: Final = frozenset(unit.code for unit in _UNITS.values())
"""Every common code that we write."""
