"""Units in UCUM notation: what measures the same, and how one becomes the other."""

from __future__ import annotations

import pytest

from protocols.field.opcua.discover.units import COMMON_CODES, DISPLAYED, ucum
from protocols.ucum import conversion, is_known


@pytest.mark.parametrize(
    ("source", "target", "value", "becomes"),
    [
        ("Cel", "K", 25.0, 298.15),
        ("K", "Cel", 300.0, 26.85),
        ("[degF]", "Cel", 212.0, 100.0),
        ("bar", "kPa", 4.5, 450.0),
        ("mbar", "hPa", 1013.25, 1013.25),
        ("[psi]", "bar", 1.0, 0.06894757293168361),
        ("mm[Hg]", "Pa", 1.0, 133.322),
        ("cm[H2O]", "Pa", 1.0, 98.0665),
        ("m/s", "km/h", 1.0, 3.6),
        ("m3/h", "L/min", 3.0, 50.0),
        ("Cel/min", "K/s", 60.0, 1.0),  # a difference: the offset is none of its business
        ("kW.h", "MJ", 1.0, 3.6),
        ("J/(kg.K)", "m2.s-2.K-1", 1.0, 1.0),
        ("{#}/m3", "1/L", 1000.0, 1.0),
        ("10*3/m3", "1/m3", 2.0, 2000.0),
        ("%{RH}", "%", 40.0, 40.0),
        ("", "1", 1.0, 1.0),
        ("[foo]", "[foo]", 1.5, 1.5),
    ],
)
def test_what_measures_the_same_becomes_the_other(
    source: str, target: str, value: float, becomes: float
) -> None:
    there, back = conversion(source, target), conversion(target, source)
    assert there is not None
    assert back is not None
    assert there(value) == becomes
    assert back(there(value)) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("Cel", "bar"),
        ("K", "K/s"),
        ("[pH]", "1"),
        ("[iU]/mL", "g/mL"),
        ("[foo]", "[bar]"),
        ("((m", "m"),
        ("m)", "m"),
        ("m..s(", "m.s"),
        ("kh", "s"),  # an hour takes no prefix
        ("psi", "Pa"),  # UCUM writes [psi]
    ],
)
def test_what_does_not_measure_the_same_is_never_guessed(source: str, target: str) -> None:
    assert conversion(source, target) is None
    assert conversion(target, source) is None


@pytest.mark.parametrize("unit", ["1", "", "Cel", "%{RH}", "{count}", "kW.h", "m3/h", "/min"])
def test_units_of_equipment_are_known(unit: str) -> None:
    assert is_known(unit)


@pytest.mark.parametrize("unit", ["°C", "degC", "sec", "psi", "rpm", "m3/", "kg(", "furlong"])
def test_what_is_not_ucum_is_not_known(unit: str) -> None:
    assert not is_known(unit)


@pytest.mark.parametrize(
    ("code", "unit"), [("CEL", "Cel"), ("BAR", "bar"), ("MQH", "m3/h"), ("2Z", "mV"), ("P1", "%")]
)
def test_unece_codes_of_an_opc_ua_server_become_ucum(code: str, unit: str) -> None:
    space = "http://www.opcfoundation.org/UA/units/un/cefact"
    assert ucum(space, int.from_bytes(code.encode()), None) == unit
    assert ucum("urn:maker:units", int.from_bytes(code.encode()), None) is None
    assert ucum("urn:maker:units", 7, " °C ") == "Cel"


def test_every_unit_that_is_translated_is_known() -> None:
    translated = {*COMMON_CODES.values(), *DISPLAYED.values()}
    assert [unit for unit in sorted(translated) if not is_known(unit)] == []
