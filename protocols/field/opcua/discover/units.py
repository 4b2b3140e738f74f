"""From the units of an OPC UA server (EUInformation, OPC 10000-8 section 5.6.4.3) to UCUM.

A unit of the UNECE namespace is a common code of Recommendation 20, whose characters are the
octets of ``UnitId``, the last the lowest. Elsewhere only the name that is displayed can tell.
"""

from __future__ import annotations

from typing import Final

UNECE: Final = "http://www.opcfoundation.org/UA/units/un/cefact"


def ucum(namespace: str | None, unit_id: int, display_name: str | None) -> str | None:
    """Return the unit in UCUM notation; None where it is not known for certain."""
    if namespace == UNECE and 0 < unit_id < 2**24:
        code = unit_id.to_bytes(3).lstrip(b"\0").decode("ascii", errors="replace")
        if code in COMMON_CODES:
            return COMMON_CODES[code]
    return DISPLAYED.get((display_name or "").strip())


# UNECE Recommendation 20, annexes II and III: the common code of each unit.
COMMON_CODES: Final = {
    "C62": "1",
    "P1": "%",
    "59": "[ppm]",
    "CEL": "Cel",
    "FAH": "[degF]",
    "KEL": "K",
    "BAR": "bar",
    "MBR": "mbar",
    "PAL": "Pa",
    "A97": "hPa",
    "KPA": "kPa",
    "MPA": "MPa",
    "PS": "[psi]",
    "SEC": "s",
    "C26": "ms",
    "B98": "us",
    "MIN": "min",
    "HUR": "h",
    "DAY": "d",
    "HTZ": "Hz",
    "KHZ": "kHz",
    "MTR": "m",
    "CMT": "cm",
    "MMT": "mm",
    "4H": "um",
    "MTK": "m2",
    "MTQ": "m3",
    "LTR": "L",
    "MLT": "mL",
    "MTS": "m/s",
    "MQH": "m3/h",
    "L2": "L/min",
    "KGM": "kg",
    "GRM": "g",
    "MGM": "mg",
    "TNE": "t",
    "NEW": "N",
    "B47": "kN",
    "NU": "N.m",
    "JOU": "J",
    "KWH": "kW.h",
    "WTT": "W",
    "KWT": "kW",
    "VLT": "V",
    "2Z": "mV",
    "AMP": "A",
    "4K": "mA",
    "OHM": "Ohm",
    "SIE": "S",
    "DD": "deg",
    "C81": "rad",
    "LUX": "lx",
    "23": "g/cm3",
    "KMQ": "kg/m3",
    "Q30": "[pH]",
}

# What servers without UNECE's codes display; only names that can mean one thing.
DISPLAYED: Final = {
    "°C": "Cel",
    "℃": "Cel",
    "degC": "Cel",
    "°F": "[degF]",
    "°": "deg",
    "µm": "um",
    "μm": "um",
    "Ω": "Ohm",
    "m³": "m3",
    "m²": "m2",
    "m³/h": "m3/h",
    "l/min": "L/min",
    "psi": "[psi]",
    "ppm": "[ppm]",
    "pH": "[pH]",
    **{
        name: name
        for name in (
            *("%", "K", "bar", "mbar", "Pa", "hPa", "kPa", "MPa", "s", "ms", "min", "h"),
            *("Hz", "kHz", "m", "cm", "mm", "L", "mL", "kg", "g", "mg", "N", "kN", "J", "W", "kW"),
            *("V", "mV", "A", "mA", "m/s", "L/min", "lx"),
        )
    },
}
