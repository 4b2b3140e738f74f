"""Signals that are a part of a value: elements of arrays, fields of structures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.structures104 import new_struct, new_struct_field

from plant.network import Proxy
from protocols.field.opcua.settings import OpcuaSignal
from protocols.field.opcua.values.part import parse_part
from protocols.wire.reading import Doubt, Kind, Status
from tests.contract.driver_contract import Line, line_of
from tests.contract.opcua.opcua_rig import URI, OpcuaRig


class PartsRig(OpcuaRig):
    """The rig with an array and a structure in a structure."""

    async def start(self) -> None:
        await super().start()
        index, server = 2, self.server
        zone, _ = await new_struct(
            server,
            index,
            "Zone",
            [
                new_struct_field("Temperature", ua.VariantType.Double),
                new_struct_field("Name", ua.VariantType.String),
            ],
        )
        recipe, _ = await new_struct(
            server,
            index,
            "Recipe",
            [
                new_struct_field("Number", ua.VariantType.UInt32),
                new_struct_field("Zones", zone, array=True),
                new_struct_field("Limits", ua.VariantType.Double, array=True),
                new_struct_field("Note", ua.VariantType.String, optional=True),
                new_struct_field("Speed", ua.VariantType.Float, optional=True),
            ],
        )
        await server.load_data_type_definitions()
        press = server.get_node(ua.NodeId("Press", index))
        self.nodes["Heat"] = await press.add_variable(
            ua.NodeId("Heat", index), f"{index}:Heat", [1.0, 2.0, 3.0], ua.VariantType.Double
        )
        self.nodes["Recipe"] = await press.add_variable(
            ua.NodeId("Recipe", index), f"{index}:Recipe", made(7), datatype=recipe.nodeid
        )
        # A client knows nothing of the structures that a server has.
        for each in (ua.Recipe, ua.Zone):
            for known, found in list(ua.extension_objects_by_typeid.items()):
                if found is each:
                    del ua.extension_objects_by_typeid[known]


def made(number: int, temperature: float = 150.5) -> Any:
    zones = [ua.Zone(Temperature=1.5, Name="in"), ua.Zone(Temperature=temperature, Name="out")]
    return ua.Recipe(Number=number, Zones=zones, Limits=[0.5, 9.5], Note=None, Speed=2.5)


@pytest.fixture
async def rig() -> AsyncIterator[PartsRig]:
    async with Proxy() as proxy:
        rig = PartsRig(proxy)
        rig.changes = {"signals": (*rig.signals(), *PARTS)}
        await rig.start()
        yield rig
        await rig.stop()


def part(name: str, node: str, of: str, kind: Kind = Kind.FLOAT64) -> OpcuaSignal:
    return OpcuaSignal(name=name, address=f"nsu={URI};s={node}", part=of, kind=kind, sampling_s=0.0)


PARTS = (
    part("second", "Heat", "[1]"),
    part("fourth", "Heat", "[3]"),
    part("number", "Recipe", ".Number", Kind.UINT),
    part("out", "Recipe", ".Zones[1].Temperature"),
    part("out-name", "Recipe", ".Zones[1].Name", Kind.TEXT),
    part("limit", "Recipe", ".Limits[1]"),
    part("speed", "Recipe", ".Speed", Kind.FLOAT32),
    part("nothing", "Recipe", ".Colour"),
    part("wrong", "Recipe", ".Zones"),
)


async def until_all(line: Line) -> None:
    for signal in PARTS:
        await line.until(lambda signal=signal: line.of(signal.name), f"no {signal.name}")  # type: ignore[misc]


async def test_elements_and_fields_arrive_as_signals_of_their_own(rig: PartsRig) -> None:
    async with line_of(rig) as line:
        await until_all(line)
        first = {signal.name: line.of(signal.name)[0] for signal in PARTS}
        assert {name: first[name].value for name in ("second", "number", "out")} == {
            "second": 2.0,
            "number": 7,
            "out": 150.5,
        }
        assert (first["out-name"].value, first["limit"].value) == ("out", 9.5)
        assert first["speed"].value == 2.5
        for name in ("fourth", "nothing", "wrong"):
            assert (first[name].status, first[name].code) == (Status.BAD, Doubt.WRONG_TYPE)
            assert first[name].raw
        assert not line.errors


async def test_a_part_is_told_when_it_changes_and_not_when_another_does(rig: PartsRig) -> None:
    async with line_of(rig) as line:
        await until_all(line)
        for value in ([1.0, 2.0, 4.0], [1.0, 5.0, 4.0]):
            await rig.server.write_attribute_value(
                rig.nodes["Heat"].nodeid, ua.DataValue(ua.Variant(value, ua.VariantType.Double))
            )
        for recipe in (made(8), made(8, 151.0)):
            await rig.server.write_attribute_value(
                rig.nodes["Recipe"].nodeid, ua.DataValue(ua.Variant(recipe))
            )
        await line.until(lambda: line.of("out")[-1].value == 151.0, "the field did not come")
        await line.until(lambda: line.of("second")[-1].value == 5.0, "the element did not come")
        assert [r.value for r in line.of("second")] == [2.0, 5.0]
        assert [r.value for r in line.of("number")] == [7, 8]
        assert [r.value for r in line.of("out")] == [150.5, 151.0]


def test_a_part_is_read_as_it_is_written() -> None:
    assert parse_part("") == ()
    assert parse_part(".zones[2].temperature") == ("zones", 2, "temperature")
    for wrong in ("zones", "[x]", ".", "[1", ".a..b", "[-1]"):
        with pytest.raises(ValueError, match="not a part"):
            parse_part(wrong)
